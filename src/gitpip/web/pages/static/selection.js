// Users are selected by boxes in the table, which go on working while the table updates itself.
const all = document.getElementById("choose-all");
const boxes = () => [...document.querySelectorAll('input[form="selection"]')];
const selected = () => boxes().filter((box) => box.checked);

function count() {
  const number = selected().length;
  all.checked = number > 0 && number === boxes().length;
  all.indeterminate = number > 0 && !all.checked;
  document.getElementById("chosen").textContent = number ? `${number} selected` : "";
}

if (all) {
  const choice = all.closest("label");
  choice.hidden = false;
  document.addEventListener("change", (event) => {
    if (event.target === all) for (const box of boxes()) box.checked = all.checked;
    count();
  });
  // Browsers tick boxes again when somebody comes back to a page.
  window.addEventListener("pageshow", count);
  document.addEventListener("htmx:afterSettle", count);
  // The table comes without ticks and without that choice, and must not take away ours.
  Idiomorph.defaults.callbacks.beforeAttributeUpdated = (name, element) =>
    name !== "checked" && !(name === "hidden" && element === choice);
  // Nor may a selected row leave for another page of the table before something was done to it.
  document.addEventListener("htmx:beforeSwap", (event) => {
    const come = new DOMParser().parseFromString(event.detail.serverResponse, "text/html");
    if (!selected().every((box) => come.getElementById(box.id))) event.detail.shouldSwap = false;
  });
}
