// On an app's page, poll every two seconds until the first error has been received.
(() => {
  const POLL_MILLISECONDS = 2000;
  const arrival = document.getElementById("arrival");
  if (!arrival?.dataset.poll) return;
  const show = () => {
    arrival.classList.add("arrived");
    for (const part of arrival.querySelectorAll("[data-waiting]")) part.hidden = true;
    for (const part of arrival.querySelectorAll("[data-arrived]")) part.hidden = false;
  };
  const poll = async () => {
    try {
      const response = await fetch(arrival.dataset.poll, { headers: { Accept: "application/json" } });
      if (response.redirected || response.status === 404) return; // signed out, or the app was deleted
      if (response.ok && (await response.json()).problems > 0) return show();
    } catch { /* the server may be restarting: try again */ }
    setTimeout(poll, POLL_MILLISECONDS);
  };
  setTimeout(poll, POLL_MILLISECONDS);
})();
