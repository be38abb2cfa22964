"""Write a drawing as one self-contained HTML page with pan, zoom, search and details of each box. It loads nothing."""

from __future__ import annotations

import json
from html import escape

from graphkit.visualization.picture import Picture, all_boxes
from graphkit.visualization.svg import Drawing

STYLE = """
:root { color-scheme: light dark; --page: #f8fafc; --card: #ffffff; --line: #d8dee8; --text: #1e293b; --faint: #64748b; --mark: #2563eb; }
@media (prefers-color-scheme: dark) {
  :root { --page: #12161f; --card: #1c2230; --line: #323b4d; --text: #e5e9f2; --faint: #9aa6ba; --mark: #7aa7ff; }
}
* { box-sizing: border-box; }
body { margin: 0; height: 100vh; overflow: hidden; background: var(--page); color: var(--text);
       font: 13px/1.45 Inter, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
#view { position: absolute; inset: 0; cursor: grab; touch-action: none; }
#view.moving { cursor: grabbing; }
#view svg { width: 100%; height: 100%; user-select: none; }
#bar { position: absolute; top: 14px; left: 14px; display: flex; gap: 8px; align-items: center; padding: 8px 10px;
       background: var(--card); border: 1px solid var(--line); border-radius: 10px; box-shadow: 0 2px 10px #0002; }
#bar b { margin: 0 6px 0 4px; }
#bar input { width: 190px; }
#bar input, #bar button { font: inherit; color: inherit; background: transparent; border: 1px solid var(--line);
                          border-radius: 7px; padding: 4px 9px; }
#bar button { cursor: pointer; min-width: 30px; }
#bar button:hover, #bar input:focus { border-color: var(--mark); outline: none; }
#facts { position: absolute; top: 14px; right: 14px; width: 330px; max-height: calc(100vh - 28px); overflow: auto; padding: 14px 16px;
         background: var(--card); border: 1px solid var(--line); border-radius: 10px; box-shadow: 0 2px 10px #0002; }
#facts[hidden] { display: none; }
#facts h2 { font-size: 15px; margin: 0 0 2px; } #facts p { margin: 0 0 10px; color: var(--faint); }
#facts dl { margin: 0; display: grid; grid-template-columns: max-content 1fr; gap: 3px 12px; }
#facts dt { color: var(--faint); } #facts dd { margin: 0; overflow-wrap: anywhere; }
.gk-box { cursor: pointer; transition: opacity .12s; }
.gk-box.on > rect:last-of-type, .gk-box.on > rect:nth-of-type(2) { stroke: var(--mark); stroke-width: 2.6; }
.gk-box.off { opacity: .22; }
"""

_SCRIPT = """
const boxes = JSON.parse(document.getElementById("boxes").textContent);
const view = document.getElementById("view"), svg = view.querySelector("svg"), facts = document.getElementById("facts");
svg.querySelectorAll(".gk-box > title").forEach(t => t.remove());
const full = svg.viewBox.baseVal, size = {w: full.width, h: full.height};
let box = {x: 0, y: 0, w: size.w, h: size.h}, held = null;
const show = () => svg.setAttribute("viewBox", `${box.x} ${box.y} ${box.w} ${box.h}`);
function scale() { return Math.max(box.w / view.clientWidth, box.h / view.clientHeight); }
function fit() {
  const k = Math.max(size.w / (view.clientWidth - 60), size.h / (view.clientHeight - 110), 0.6);
  box = {w: view.clientWidth * k, h: view.clientHeight * k};
  box.x = (size.w - box.w) / 2; box.y = (size.h - box.h) / 2 - 25 * k;
  show();
}
function zoom(factor, px, py) {
  const k = scale(), x = box.x + px * k, y = box.y + py * k, wanted = Math.min(Math.max(k * factor, 0.08), 60);
  box = {w: view.clientWidth * wanted, h: view.clientHeight * wanted, x: x - px * wanted, y: y - py * wanted};
  show();
}
view.addEventListener("wheel", e => {
  e.preventDefault();
  zoom(Math.exp(e.deltaY * (e.ctrlKey ? .01 : .0015)), e.clientX, e.clientY);
}, {passive: false});
view.addEventListener("pointerdown", e => { held = {x: e.clientX, y: e.clientY, moved: false}; });
addEventListener("pointermove", e => {
  if (!held) return;
  const dx = e.clientX - held.x, dy = e.clientY - held.y;
  if (Math.abs(dx) + Math.abs(dy) < 3 && !held.moved) return;
  const k = scale();
  box.x -= dx * k; box.y -= dy * k; held = {x: e.clientX, y: e.clientY, moved: true};
  view.classList.add("moving"); show();
});
addEventListener("pointerup", () => { setTimeout(() => { held = null; }); view.classList.remove("moving"); });
let pinned = null;
function tell(key) {
  facts.hidden = key === null;
  svg.querySelectorAll(".gk-box.on").forEach(g => g.classList.remove("on"));
  if (key === null) return;
  const b = boxes[key];
  facts.replaceChildren();
  const add = (tag, text, to = facts) => { const e = document.createElement(tag); e.textContent = text; to.append(e); return e; };
  add("h2", b.name); add("p", b.title);
  const list = add("dl", "");
  for (const [k, v] of Object.entries(b.facts)) { add("dt", k, list); add("dd", v, list); }
  svg.querySelector(`.gk-box[data-key="${CSS.escape(key)}"]`).classList.add("on");
}
svg.addEventListener("pointerover", e => { const g = e.target.closest(".gk-box"); if (g && !held) tell(g.dataset.key); });
svg.addEventListener("pointerout", e => { if (e.target.closest(".gk-box") && !held) tell(pinned); });
svg.addEventListener("click", e => {
  if (held && held.moved) return;
  const g = e.target.closest(".gk-box");
  pinned = g ? g.dataset.key : null;
  tell(pinned);
});
const find = document.getElementById("find");
find.addEventListener("input", () => {
  const wanted = find.value.trim().toLowerCase();
  svg.querySelectorAll(".gk-box").forEach(g => {
    const b = boxes[g.dataset.key];
    g.classList.toggle("off", wanted !== "" && !(b.name + " " + b.title).toLowerCase().includes(wanted));
  });
});
const middle = f => zoom(f, view.clientWidth / 2, view.clientHeight / 2);
document.getElementById("in").onclick = () => middle(.75);
document.getElementById("out").onclick = () => middle(1.33);
document.getElementById("fit").onclick = fit;
addEventListener("keydown", e => {
  if (e.target === find) { if (e.key === "Escape") { find.value = ""; find.dispatchEvent(new Event("input")); find.blur(); } return; }
  if (e.key === "0") fit(); else if (e.key === "+" || e.key === "=") middle(.75); else if (e.key === "-") middle(1.33);
  else if (e.key === "/") { e.preventDefault(); find.focus(); } else if (e.key === "Escape") { pinned = null; tell(null); }
});
addEventListener("resize", fit);
fit();
"""


def page(picture: Picture, drawing: Drawing) -> str:
    """Return the HTML page of a picture and its drawing."""
    boxes = {box.key: {"name": box.name, "title": box.title, "facts": box.facts} for box in all_boxes(picture)}
    data = json.dumps(boxes, ensure_ascii=False).replace("<", "\\u003c")
    name = escape(picture.name)
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{name}</title>\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<style>{STYLE}</style>\n</head>\n<body>\n'
        f'<div id="view">{drawing.svg}</div>\n'
        f'<div id="bar"><b>{name}</b><input id="find" type="search" placeholder="find a layer ( / )" aria-label="find a layer">'
        '<button id="out" title="zoom out ( - )">&minus;</button><button id="in" title="zoom in ( + )">+</button>'
        '<button id="fit" title="whole graph ( 0 )">fit</button></div>\n<aside id="facts" hidden></aside>\n'
        f'<script type="application/json" id="boxes">{data}</script>\n<script>{_SCRIPT}</script>\n</body>\n</html>\n'
    )
