// A button copies a file as it is stored, or the text that it names. Browsers allow that by https and on this machine only.
async function wanted(button) {
  if (button.dataset.copy) return document.getElementById(button.dataset.copy).textContent;
  const answer = await fetch(button.parentElement.querySelector('a[href*="/raw/"]').href);
  if (!answer.ok) throw new Error(answer.statusText);
  return answer.text();
}

if (navigator.clipboard) {
  for (const button of document.querySelectorAll("button.copy")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const place = document.getElementById("announcement");
      try {
        await navigator.clipboard.writeText(await wanted(button));
        place.textContent = "Copied.";
      } catch {
        place.textContent = `Couldn't copy. ${button.dataset.copy ? "Select the link" : "Use Raw"} instead.`;
      }
    });
  }
}
