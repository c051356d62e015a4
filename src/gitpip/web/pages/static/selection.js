// Rows are selected by boxes in a table, which go on working while the table updates itself. Where
// the form names its list, the selection is kept through the pages of the list.
const KEPT = "gitpip.selected"; // in this tab: the address of a list, and who is selected in it
const form = document.getElementById("selection");
const all = document.getElementById("all-on-page");
const boxes = () => [...document.querySelectorAll('input[type="checkbox"][form="selection"]')];
const selected = () => boxes().filter((box) => box.checked);
let elsewhere = new Set(); // who is selected, and not on this page

function count() {
  const number = selected().length;
  all.checked = number > 0 && number === boxes().length;
  all.indeterminate = number > 0 && !all.checked;
  const text = elsewhere.size ? `, ${elsewhere.size} on other pages` : "";
  const chosen = document.getElementById("chosen");
  const words = number + elsewhere.size ? `${number + elsewhere.size} selected${text}` : "";
  if (chosen.textContent !== words) chosen.textContent = words; // a change is read aloud
  form.toggleAttribute("data-elsewhere", elsewhere.size > 0);
  keep();
}

function keep() {
  const { list } = form.dataset;
  if (!list) return;
  const chosen = [...elsewhere, ...selected().map((box) => box.value)];
  document.getElementById("clear-selection").hidden = !chosen.length;
  sessionStorage.setItem(KEPT, JSON.stringify({ list, chosen }));
}

// Ticks the boxes of those who are on this page; the others stay in `elsewhere`.
function tick() {
  for (const box of boxes()) if (elsewhere.delete(box.value)) box.checked = true;
  count();
}

function takeUp() {
  const last = JSON.parse(sessionStorage.getItem(KEPT));
  if (form.dataset.list && last?.list === form.dataset.list) {
    const gone = (form.dataset.gone ?? "").split(" "); // they are tracked no longer: no box shows them
    elsewhere = new Set(last.chosen.filter((login) => !gone.includes(login)));
    for (const box of boxes()) box.checked = false;
  }
  tick();
}

// The selection ends with an act that was done, and when the reader comes from somewhere else.
function forget() {
  const isNew = performance.getEntriesByType("navigation")[0]?.type === "navigate";
  const act = new URL(form.action).pathname;
  const from = document.referrer && new URL(document.referrer).pathname;
  const isOwn = from === act || from === act.slice(0, act.lastIndexOf("/"));
  if (!all || (isNew && ("done" in form.dataset || !isOwn))) sessionStorage.removeItem(KEPT);
}

if (form) forget();
else sessionStorage.removeItem(KEPT); // nobody is left in the list
if (all) {
  const choice = all.closest("label");
  choice.hidden = false;
  takeUp();
  document.addEventListener("change", (event) => {
    if (event.target === all) for (const box of boxes()) box.checked = all.checked;
    count();
  });
  // Browsers tick boxes again when somebody comes back to a page.
  window.addEventListener("pageshow", takeUp);
  document.addEventListener("htmx:afterSettle", tick);
  document.getElementById("clear-selection")?.addEventListener("click", () => {
    elsewhere.clear();
    for (const box of boxes()) box.checked = false;
    count();
    all.focus();
  });
  form.addEventListener("formdata", (event) => {
    for (const each of elsewhere) event.formData.append(form.dataset.names, each);
  });
  // The table comes without ticks and without that choice, and must not take away ours.
  Idiomorph.defaults.callbacks.beforeAttributeUpdated = (name, element) =>
    name !== "checked" && !(name === "hidden" && element === choice);
  // Nor may a selected row leave for another page of the table before something was done to it.
  document.addEventListener("htmx:beforeSwap", (event) => {
    const come = new DOMParser().parseFromString(event.detail.serverResponse, "text/html");
    if (!selected().every((box) => come.getElementById(box.id))) event.detail.shouldSwap = false;
  });
}
