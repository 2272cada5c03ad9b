// The app's page looks every two seconds whether the first error has come.
(() => {
  const arrival = document.getElementById("arrival");
  if (!arrival?.dataset.poll) return;
  const show = () => {
    arrival.classList.add("arrived");
    for (const part of arrival.querySelectorAll("[data-waiting]")) part.hidden = true;
    for (const part of arrival.querySelectorAll("[data-arrived]")) part.hidden = false;
  };
  const look = async () => {
    try {
      const answer = await fetch(arrival.dataset.poll, { headers: { Accept: "application/json" } });
      if (answer.redirected || answer.status === 404) return; // signed out, or gone: a reload says so
      if (answer.ok && (await answer.json()).problems > 0) return show();
    } catch { /* the server restarts: look again */ }
    setTimeout(look, 2000);
  };
  setTimeout(look, 2000);
})();
