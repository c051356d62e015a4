// A button copies a file as it is stored. Browsers allow that by https and on this machine only.
if (navigator.clipboard) {
  for (const button of document.querySelectorAll("button.copy")) {
    button.hidden = false;
    button.addEventListener("click", async () => {
      const place = document.getElementById("announcement");
      try {
        const answer = await fetch(button.parentElement.querySelector('a[href*="/raw/"]').href);
        if (!answer.ok) throw new Error(answer.statusText);
        await navigator.clipboard.writeText(await answer.text());
        place.textContent = "Copied.";
      } catch {
        place.textContent = "Couldn't copy. Use Raw instead.";
      }
    });
  }
}
