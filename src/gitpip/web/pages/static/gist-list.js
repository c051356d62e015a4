// The list of gists of the inbox or of a person. The link at its end loads the next page below it.
// Who comes back to a list that the browser has kept sees what was marked since.
const MOST_PAGES = 20; // loaded below; the form sends all rows, so the link then leads to the next page
const MARKS_AT_ONCE = 50; // as in inbox.py
const PLACE = "gitpip.place"; // in this tab: the list that was left last, and what was at the top of the window

function pagesBelow() {
  return Number(document.getElementById("gists")?.dataset.pages ?? 0);
}

// The rows of a day go on under its heading.
function placeOf(section) {
  const list = document.getElementById("gists");
  if (!section) return list;
  const last = list.lastElementChild;
  if (last?.dataset.day === section.dataset.day) return last;
  const place = section.cloneNode(false);
  place.append(section.querySelector(".day"));
  list.append(place);
  return place;
}

function append(page) {
  const form = document.getElementById("inbox");
  const added = [];
  for (const row of page.querySelectorAll("#gists [data-item]")) {
    if (document.getElementById(row.id)) continue; // it has moved up since
    const mark = row.querySelector("[data-mark]");
    const shown = page.querySelector(`#inbox [name=shown][value="${CSS.escape(mark.value)}"]`);
    if (shown) form.append(shown); // "Mark this page as read" is about these, too
    placeOf(row.closest("section")).append(row);
    htmx.process(row);
    added.push(row);
  }
  const mark = page.getElementById("mark");
  if (mark && !document.getElementById("mark")) {
    mark.setAttribute("form", form.id); // all rows above were read
    document.getElementById("load-more").append(mark);
  }
  showTimes();
  return added;
}

// Updates hold the rows of the first page only. From now on, they update what is above the rows.
function keepRows() {
  const region = document.getElementById("gists").closest("[hx-get]");
  if (!region) return;
  region.setAttribute("hx-swap", "none");
  region.setAttribute("hx-trigger", "every 15s");
  htmx.process(region);
}

function keyOf(row) {
  return Number(row.querySelector("[data-mark]").value.split(":")[1]); // a newer or edited gist has a higher one
}

// Rows that are kept hide what came since, so it is told, as in the inbox.
document.addEventListener("htmx:beforeSwap", (event) => {
  const region = event.detail.target;
  const list = document.getElementById("gists");
  if (!list || !region.contains(list) || region.getAttribute("hx-swap") !== "none") return;
  const page = new DOMParser().parseFromString(event.detail.serverResponse, "text/html");
  const rows = [...page.querySelectorAll("#gists [data-item]")];
  const newest = Math.max(0, ...[...list.querySelectorAll("[data-item]")].map(keyOf));
  const come = rows.filter((row) => keyOf(row) > newest).length;
  const isAll = come === rows.length && page.querySelector("#load-more a");
  tellArrivals(come ? `${come}${isAll ? "+" : ""} new – show` : "", region.getAttribute("hx-get"));
});

async function nextPage(link) {
  const answer = await fetch(link.href, { headers: { accept: "text/html" } });
  if (!answer.ok) throw new Error(answer.statusText);
  return new DOMParser().parseFromString(await answer.text(), "text/html");
}

// Returns the rows that were added; null if that failed or goes on already.
async function loadMore() {
  const place = document.getElementById("load-more");
  const link = place.querySelector("a");
  if (link.hasAttribute("aria-busy")) return null;
  const said = place.querySelector("[role=status]");
  link.textContent = "Loading…";
  link.setAttribute("aria-busy", "true");
  said.textContent = "";
  keepRows();
  let page;
  try {
    page = await nextPage(link);
  } catch {
    link.textContent = "Try again";
    said.textContent = "Couldn't load more gists.";
    return null;
  } finally {
    link.removeAttribute("aria-busy");
  }
  if (!page.getElementById("inbox")) {
    location.assign(link.href); // which asks to sign in
    return null;
  }
  const added = append(page);
  document.getElementById("gists").dataset.pages = pagesBelow() + 1;
  const next = page.querySelector("#load-more a");
  link.textContent = pagesBelow() < MOST_PAGES ? "Load more" : "Next page";
  if (next) link.setAttribute("href", next.getAttribute("href"));
  else link.remove();
  const found = document.getElementById("found");
  if (found) found.textContent = `${document.querySelectorAll("#gists [data-item]").length} results`;
  if (!next) document.getElementById("found-more")?.remove();
  const none = page.querySelector("#load-more [role=status]")?.textContent || "No more gists.";
  const number = `${added.length} more ${added.length === 1 ? "gist" : "gists"}`;
  said.textContent = added.length ? `Loaded ${number}.` : none;
  return added;
}

// The pages that were below the list when the reader left it.
async function loadPages(number) {
  while (pagesBelow() < number && document.querySelector("#load-more a")) {
    if (!await loadMore()) return;
  }
}

document.addEventListener("click", async (event) => {
  const link = event.target.closest("#load-more a");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
  if (pagesBelow() >= MOST_PAGES) return;
  event.preventDefault();
  const added = await loadMore();
  // The reader may have gone on to write: what is typed must not act on a row.
  if (![link, document.body].includes(document.activeElement)) return;
  const first = added?.[0]?.querySelector("[data-open]");
  if (first) {
    remember(added[0]);
    first.focus({ preventScroll: true });
    first.scrollIntoView({ block: "nearest" });
  } else if (added && !link.isConnected) {
    const place = document.getElementById("load-more");
    place.tabIndex = -1;
    place.focus();
  }
});

// A mark of one row is the last mark, so the one before it can't be undone, unless this one changed
// nothing. "Mark this page as read" is about a row that is unread now.
document.addEventListener("htmx:afterSwap", (event) => {
  const row = document.getElementById(event.detail.target.id);
  if (event.detail.requestConfig.verb !== "post" || !row?.matches("[data-item]")) return;
  if (event.detail.xhr.getResponseHeader("gitpip-unchanged")) {
    announce(`Already marked as ${isRead(row) ? "read" : "unread"}.`);
  } else document.getElementById("undo")?.remove();
  const form = document.getElementById("inbox");
  const { value } = row.querySelector("[data-mark]");
  form.querySelector(`[name=shown][value="${CSS.escape(value)}"]`)?.remove();
  if (isRead(row)) return;
  const shown = Object.assign(document.createElement("input"), { type: "hidden", name: "shown", value });
  form.append(shown);
});

function isRead(row) {
  return row.classList.contains("read");
}

async function rowsAsTheyAre(rows) {
  const form = document.getElementById("inbox");
  const query = new URLSearchParams(rows.map((row) => ["gist", row.id.slice("gist-".length)]));
  const fields = form.querySelectorAll("[name=back], [name=person]");
  for (const field of fields) query.append(field.name, field.value);
  const answer = await fetch(new URL(`inbox/rows?${query}`, form.action));
  return new DOMParser().parseFromString(answer.ok ? await answer.text() : "", "text/html");
}

// A row is replaced only if it was marked elsewhere, so nothing else changes its height.
async function showMarks() {
  const all = [...document.querySelectorAll("#gists [data-item]")];
  for (let first = 0; first < all.length; first += MARKS_AT_ONCE) {
    const rows = all.slice(first, first + MARKS_AT_ONCE);
    const known = rows.map(isRead);
    const page = await rowsAsTheyAre(rows);
    for (const [place, row] of rows.entries()) {
      const now = page.getElementById(row.id);
      if (!now || isRead(now) === known[place] || isRead(row) !== known[place]) continue;
      Idiomorph.morph(row, now);
      htmx.process(row);
    }
    for (const id of ["unread", "unread-chip", "unread-line"]) {
      const [shown, now] = [document.getElementById(id), page.getElementById(id)];
      if (shown && now) Idiomorph.morph(shown, now);
    }
    if (page.title) document.title = page.title;
  }
  showTimes();
}

window.addEventListener("pagehide", () => {
  const row = [...document.querySelectorAll("#gists [data-item]")].find((one) => topOf(one) + one.offsetHeight > 0);
  if (!row || scrollY === 0) return sessionStorage.removeItem(PLACE);
  const place = { address: location.href, id: row.id, top: topOf(row), pages: pagesBelow() };
  sessionStorage.setItem(PLACE, JSON.stringify(place));
});

// The row that was at the top of the window comes to its place again, unless the reader has gone on.
async function comeBackTo(place) {
  let isLeft = false;
  const leave = () => { isLeft = true; };
  for (const act of ["wheel", "touchmove", "keydown", "pointerdown"]) {
    addEventListener(act, leave, { once: true, passive: true });
  }
  await loadPages(place.pages);
  const row = document.getElementById(place.id);
  if (row && !isLeft) scrollBy(0, topOf(row) - place.top);
}

window.addEventListener("pageshow", async (event) => {
  const { type } = performance.getEntriesByType("navigation")[0] ?? {};
  const isBack = event.persisted || type === "back_forward";
  if (!isBack && type !== "reload") return;
  const left = JSON.parse(sessionStorage.getItem(PLACE));
  if (isBack) await showMarks().catch(() => {}); // updates tell when gitpip can't be reached
  if (event.persisted) return;
  if (isBack && current.pages) {
    const focused = document.activeElement;
    await loadPages(current.pages);
    const item = document.getElementById(current.id);
    if (item && document.activeElement === focused) choose(item);
  }
  if (left?.address === location.href) await comeBackTo(left);
});
