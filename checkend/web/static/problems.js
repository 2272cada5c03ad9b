// The list of problems: selection, keyboard shortcuts, filters that apply immediately. Without JavaScript, forms do all.
(() => {
  const bulk = document.querySelector("[data-bulk]");
  const rows = [...document.querySelectorAll("[data-problem]")];
  const search = document.querySelector("[data-search]");
  const help = document.querySelector("[data-shortcuts-help]");
  const boxOf = (row) => row.querySelector("input[name=id]");
  const boxes = rows.map(boxOf).filter(Boolean);
  const number = (count) => count.toLocaleString("en");
  let current = -1;

  for (const field of document.querySelectorAll("[data-submit]")) {
    field.addEventListener("change", () => field.form.requestSubmit());
  }
  // Leave empty fields out of the URL.
  document.querySelector(".filter").addEventListener("submit", (event) => {
    for (const field of event.target.elements) if (field.name && !field.value) field.disabled = true;
  });
  addEventListener("pageshow", () => {
    for (const field of document.querySelectorAll(".filter :disabled")) field.disabled = false;
    show();
  });

  // Selection
  const allMatching = bulk?.querySelector("[data-scope]");
  const pageBox = bulk?.querySelector("[data-all-here]");
  const counter = bulk?.querySelector("[data-count]");
  const totalText = counter?.textContent;
  function show() {
    if (!pageBox) return;
    const count = boxes.filter((box) => box.checked).length;
    const all = allMatching?.checked;
    bulk.classList.toggle("active", Boolean(count || all));
    pageBox.checked = count > 0 && count === boxes.length;
    pageBox.indeterminate = count > 0 && count < boxes.length;
    counter.textContent = all ? `All ${number(+bulk.dataset.total)} selected` : count ? `${number(count)} selected` : totalText;
  }
  if (pageBox) {
    bulk.querySelector("[data-page]").hidden = false;
    pageBox.addEventListener("change", () => {
      for (const box of boxes) box.checked = pageBox.checked;
      if (allMatching && !pageBox.checked) allMatching.checked = false;
      show();
    });
    allMatching?.addEventListener("change", () => {
      for (const box of boxes) box.checked = allMatching.checked;
      show();
    });
    for (const box of boxes) {
      box.addEventListener("change", () => {
        if (allMatching && !box.checked) allMatching.checked = false;
        show();
      });
    }
    show();
  }

  // Enter in the tag field adds the tag. On a checkbox it does nothing: it must not activate one of the buttons.
  bulk?.addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.isComposing || event.target.localName !== "input") return;
    event.preventDefault();
    if (event.target.name === "tag") bulk.requestSubmit(bulk.querySelector("[name=action][value=tag]"));
  });

  // Keyboard
  function move(step) {
    if (!rows.length) return;
    rows[current]?.classList.remove("current");
    current = Math.min(Math.max(current + step, 0), rows.length - 1);
    rows[current].classList.add("current");
    rows[current].querySelector(".problem-link").focus({ preventScroll: true });
    rows[current].scrollIntoView({ block: "nearest" });
  }
  function select() {
    const box = rows[current] && boxOf(rows[current]);
    if (box) box.click();
  }
  function resolve() {
    const button = bulk?.querySelector("[data-resolve]");
    if (!button) return;
    const box = rows[current] && boxOf(rows[current]);
    if (!boxes.some((other) => other.checked) && box) box.checked = true;
    if (boxes.some((other) => other.checked)) bulk.requestSubmit(button);
  }
  const openHelp = () => help.showModal();
  const keys = { "/": () => search.focus(), j: () => move(1), k: () => move(-1), x: select, r: resolve, "?": openHelp };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || help.open) return;
    const target = event.target;
    const writing = target.matches("input:not([type=checkbox]), select, textarea, [contenteditable]");
    if (event.key === "Escape" && writing) return target.blur();
    if (writing || !keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  });
  for (const button of document.querySelectorAll("[data-shortcuts]")) {
    button.hidden = false;
    button.addEventListener("click", openHelp);
  }
  rows.forEach((row, index) => row.addEventListener("focusin", () => {
    rows[current]?.classList.remove("current");
    current = index;
    row.classList.add("current");
  }));
})();
