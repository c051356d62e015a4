// Times in the reader's own zone and format. The server writes them in UTC, and so they stay in a
// browser without scripts. Those with data-age say how long ago it was, up to seven days, and are
// kept up to date; the exact time is their title.
const UNITS = [["day", 86_400], ["hour", 3_600], ["minute", 60], ["second", 1]];
const LONGEST_AGE = 7 * 86_400; // seconds
const CLOCK = { hour: "numeric", minute: "2-digit" };
const AGES = new Intl.RelativeTimeFormat(undefined, { style: "short" });
const DAYS = new Intl.DateTimeFormat(undefined, { month: "short", day: "numeric", ...CLOCK });
const YEARS = new Intl.DateTimeFormat(undefined, { year: "numeric", month: "short", day: "numeric", ...CLOCK });
// With the zone: at the end of summer time an hour comes twice.
const EXACT = new Intl.DateTimeFormat(undefined, {
  weekday: "short", year: "numeric", month: "short", day: "numeric", ...CLOCK, second: "2-digit", timeZoneName: "short",
});

// The server groups and filters by the reader's days, so the next page is told the zone.
const HERE = new URL("..", document.currentScript.src).pathname;
const ZONE = encodeURIComponent(new Intl.DateTimeFormat().resolvedOptions().timeZone);
document.cookie = `gitpip_zone=${ZONE}; path=${HERE}; max-age=31536000; samesite=lax`;

function ageOf(time, now) {
  const seconds = Math.trunc((time - now) / 1000);
  if (Math.abs(seconds) >= LONGEST_AGE) return null;
  const [unit, length] = UNITS.find(([, worth]) => Math.abs(seconds) >= worth) ?? UNITS.at(-1);
  const number = Math.trunc(seconds / length);
  return AGES.format(number === 0 ? -0 : number, unit);
}

function dayOf(time, now) {
  return (time.getFullYear() === now.getFullYear() ? DAYS : YEARS).format(time);
}

function showTimes() {
  const now = new Date();
  for (const element of document.querySelectorAll("time[datetime]")) {
    const time = new Date(element.dateTime);
    // What is read aloud when it changes must not change every second.
    const isAge = "age" in element.dataset && !element.closest("[role=status], [role=alert]");
    const text = (isAge && ageOf(time, now)) || dayOf(time, now);
    if (element.textContent === text) continue;
    element.textContent = text;
    element.title = EXACT.format(time);
    // The words are those of the reader's language, on a page in English.
    element.lang = AGES.resolvedOptions().locale;
  }
}

showTimes();
document.addEventListener("htmx:afterSwap", showTimes);
document.addEventListener("visibilitychange", showTimes);
setInterval(() => document.hidden || showTimes(), 1000);
