// A Checkend server for the duration of a test run. Needs only `checkend` on the PATH, or named by CHECKEND.
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

  async function call(method, path, query = {}, body = undefined) {
    const url = `${access.url}/_fixture${path}?${new URLSearchParams(query)}`;
    const response = await fetch(url, { method, body: body && JSON.stringify(body) });
    const value = response.status === 204 ? null : await response.json();
    if (!response.ok) throw new Error(value.error);
    return value;
  }

  return {
    ...access,
    waitForProblem: async (query) => (await call("GET", "/wait", query)).problem,
    assertNoProblems: (within = 0) => call("GET", "/wait", { count: 0, timeout: within }),
    setFault: (fault) => call("POST", "/faults", {}, fault),
    requests: async () => (await call("GET", "/journal")).requests,
    reset: () => call("POST", "/reset"),
    stop: () => new Promise((resolve) => server.once("exit", resolve) && server.stdin.end()),
  };
}
