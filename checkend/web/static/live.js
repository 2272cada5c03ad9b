// Poll for new occurrences while the tab is visible; a pill offers to load them, so that no row moves under the pointer.
(() => {
  const POLL_MILLISECONDS = 4000;
  const MAX_MILLISECONDS = 60_000;
  const pill = document.querySelector("[data-live]");
  if (!pill) return;
  let delay = POLL_MILLISECONDS;
  let timer;
  let etag = "";
  const show = (count) => {
    pill.hidden = count === 0;
    const number = count >= 100 ? "100 or more" : String(count);
    pill.querySelector("[data-live-text]").textContent = `${number} new`;
    pill.querySelector("a").title = "Problems with new occurrences";
  };
  async function poll() {
    try {
      const headers = { Accept: "application/json", ...(etag ? { "If-None-Match": etag } : {}) };
      const response = await fetch(pill.dataset.live, { headers, cache: "no-store" });
      if (response.redirected || response.status === 404) return; // signed out, or the app was deleted
      if (response.status !== 304 && !response.ok) throw new Error(response.statusText);
      delay = POLL_MILLISECONDS;
      if (response.status !== 304) {
        etag = response.headers.get("ETag") ?? "";
        show((await response.json()).new);
      }
    } catch {
      delay = Math.min(delay * 2, MAX_MILLISECONDS); // the server may be restarting
    }
    schedule(delay);
  }
  function schedule(milliseconds) {
    clearTimeout(timer);
    if (document.visibilityState === "visible") timer = setTimeout(poll, milliseconds);
  }
  document.addEventListener("visibilitychange", () => schedule(0));
  schedule(POLL_MILLISECONDS);
})();
