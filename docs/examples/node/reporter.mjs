// In place of your program and its SDK: reports an error, and retries once if the server says when to.
export async function report(error, env) {
  const send = () => fetch(`${env.CHECKEND_ENDPOINT}/ingest/v1/errors`, {
    method: "POST",
    headers: { "Content-Type": "application/json", "Checkend-Ingestion-Key": env.CHECKEND_API_KEY },
    body: JSON.stringify({
      error: { class: error.name, message: error.message, backtrace: error.stack.split("\n").slice(1) },
    }),
  });
  const response = await send();
  if (response.status !== 429) return;
  await new Promise((resolve) => setTimeout(resolve, 1000 * Number(response.headers.get("Retry-After"))));
  await send();
}
