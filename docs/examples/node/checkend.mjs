// A Checkend server for the time of a test run. Needs `checkend` on the PATH (or named by CHECKEND), nothing else.
import { spawn } from "node:child_process";
import { createInterface } from "node:readline";

export async function startCheckend() {
  const server = spawn(process.env.CHECKEND ?? "checkend", ["fixture"], { stdio: ["pipe", "pipe", "inherit"] });
  const failed = new Promise((_, reject) => {
    server.once("error", reject);
    server.once("exit", (status) => reject(new Error(`checkend fixture ended with status ${status}`)));
  });
  failed.catch(() => {});
  const line = new Promise((resolve) => createInterface({ input: server.stdout }).once("line", resolve));
  const access = JSON.parse(await Promise.race([line, failed]));

  async function ask(method, path, query = {}, body = undefined) {
    const url = `${access.url}/_fixture${path}?${new URLSearchParams(query)}`;
    const answer = await fetch(url, { method, body: body && JSON.stringify(body) });
    const value = answer.status === 204 ? null : await answer.json();
    if (!answer.ok) throw new Error(value.error);
    return value;
  }

  return {
    ...access,
    waitForProblem: async (wanted) => (await ask("GET", "/wait", wanted)).problem,
    assertNoProblems: (within = 0) => ask("GET", "/wait", { count: 0, timeout: within }),
    setFault: (fault) => ask("POST", "/faults", {}, fault),
    requests: async () => (await ask("GET", "/journal")).requests,
    reset: () => ask("POST", "/reset"),
    stop: () => new Promise((resolve) => server.once("exit", resolve) && server.stdin.end()),
  };
}
