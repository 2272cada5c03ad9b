// Stands for your program and its SDK: reports an error, and once more when the server asks it to come back later.
export async function report(error, env) {
  const send = () => fetch(`${env.CHECKEND_ENDPOINT}/ingest/v1/errors`, {
    method: "POST",
    headers: { "Content-Type": "application/json", "Checkend-Ingestion-Key": env.CHECKEND_API_KEY },
    body: JSON.stringify({
      error: { class: error.name, message: error.message, backtrace: error.stack.split("\n").slice(1) },
    }),
  });
  const answer = await send();
  if (answer.status !== 429) return;
  await new Promise((resolve) => setTimeout(resolve, 1000 * Number(answer.headers.get("Retry-After"))));
  await send();
}
