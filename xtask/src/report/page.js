const map = document.getElementById("map"), path = document.getElementById("path");
const said = document.getElementById("said"), root = map.firstElementChild;
const above = (area) => area.parentElement.closest(".folder");
const way = (area) => (area ? [...way(above(area)), area] : []);
const name = (area) => area.dataset.name ?? area.textContent;
const names = (area) => way(area).slice(1).map(name);
let whole = root;

function tell(area) {
  said.textContent = (names(area).join("/") || name(root)) + ": " + area.dataset.said;
}

// The address has the folder, so that the browser's way back leads out of it.
function show() {
  const wanted = decodeURIComponent(location.hash.slice(1));
  const all = [...map.querySelectorAll(".folder")];
  whole = all.find((area) => names(area).join("/") === wanted) ?? root;
  all.forEach((area) => area.classList.remove("open", "whole"));
  way(whole).forEach((area) => area.classList.add("open"));
  whole.classList.add("whole");
  path.replaceChildren(...way(whole).map((area) => {
    const button = document.createElement("button");
    button.textContent = name(area);
    button.onclick = () => go(area);
    return button;
  }));
  tell(whole);
}

function go(area) {
  location.hash = names(area).join("/");
}

map.onclick = (event) => {
  const folders = way(event.target.closest(".folder"));
  const deep = event.target.closest(".head") ? folders.length - 1 : folders.indexOf(whole) + 1;
  const part = event.target.closest(".part");
  if (folders[deep] && folders[deep] !== whole) go(folders[deep]);
  else if (part) tell(part);
};
map.onmouseover = (event) => {
  const area = event.target.closest("[data-said]");
  if (area) tell(area);
};
map.onmouseleave = () => tell(whole);
onkeydown = (event) => {
  if (event.key === "Escape" && above(whole)) go(above(whole));
};
onhashchange = show;
show();
