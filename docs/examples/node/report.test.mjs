import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { startCheckend } from "./checkend.mjs";
import { report } from "./reporter.mjs";

let checkend;
before(async () => { checkend = await startCheckend(); });
beforeEach(() => checkend.reset());
after(() => checkend.stop());

test("an error is reported", async () => {
  report(new TypeError("no price"), checkend.env); // not awaited: waitForProblem waits until the report is stored
  const problem = await checkend.waitForProblem({ error_class: "TypeError", message: "no price" });
  assert.equal(problem.notices_count, 1);
});

test("nothing is reported when nothing fails", () => checkend.assertNoProblems(0.1));

test("a timeout states what was reported instead", async () => {
  await report(new RangeError("too far"), checkend.env);
  await assert.rejects(
    checkend.waitForProblem({ error_class: "TypeError", timeout: 0.1 }),
    /1 x RangeError: too far/,
  );
});

test("Retry-After is honored", async () => {
  await checkend.setFault({ status: 429, retry_after: 1, times: 1 });
  const started = Date.now();
  await report(new Error("again"), checkend.env);
  assert.ok(Date.now() - started >= 1000);
  assert.deepEqual((await checkend.requests()).map((request) => request.status), [429, 201]);
});
