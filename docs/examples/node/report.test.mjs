import assert from "node:assert/strict";
import { after, before, beforeEach, test } from "node:test";
import { startCheckend } from "./checkend.mjs";
import { report } from "./reporter.mjs";

let checkend;
before(async () => { checkend = await startCheckend(); });
beforeEach(() => checkend.reset());
after(() => checkend.stop());

test("an error arrives with its trace", async () => {
  report(new TypeError("no price"), checkend.env); // not awaited: the wait wakes when it is there
  const problem = await checkend.waitForProblem({ error_class: "TypeError", message: "no price" });
  assert.equal(problem.notices_count, 1);
});

test("nothing is reported when nothing is wrong", () => checkend.assertNoProblems(0.1));

test("a wait in vain says what came instead", async () => {
  await report(new RangeError("too far"), checkend.env);
  await assert.rejects(
    checkend.waitForProblem({ error_class: "TypeError", timeout: 0.1 }),
    /1 x RangeError: too far/,
  );
});

test("a full server is left alone for as long as it asks", async () => {
  await checkend.setFault({ status: 429, retry_after: 1, times: 1 });
  const started = Date.now();
  await report(new Error("again"), checkend.env);
  assert.ok(Date.now() - started >= 1000);
  assert.deepEqual((await checkend.requests()).map((request) => request.status), [429, 201]);
});
