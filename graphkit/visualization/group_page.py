"""Write a grouped picture as one self-contained HTML page: groups open and close in place. It loads nothing.

Every group is laid out once, here, with the groups inside it closed: a tile. When a group is opened, the page stretches the tile around
it: the rows below move down, and what stands beside it moves aside. So there is one layout, and the page only shifts what it made.
"""

from __future__ import annotations

import json
from html import escape
from typing import Any

from graphkit.visualization.groups import open_at_first
from graphkit.visualization.html import STYLE
from graphkit.visualization.picture import Box, Picture, all_boxes
from graphkit.visualization.scene import Line, PlacedBox, Scene, tile_of
from graphkit.visualization.svg import box_fragment


def page_of_groups(picture: Picture) -> str:
    """Return the HTML page of a grouped picture."""
    root = Box("", picture.name, picture.name, "model", inside=picture)
    boxes = all_boxes(picture)
    parents = {inner: box.key for box in (root, *boxes) if box.inside is not None for inner in box.inside.boxes}
    data = {
        "tiles": {box.key: _tile(box) for box in (root, *boxes) if box.inside is not None},
        "boxes": {box.key: _facts(box, parents) for box in boxes},
        "open": open_at_first(picture),
    }
    name = escape(picture.name)
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c")
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{name}</title>\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n<style>{STYLE}{_STYLE}</style>\n</head>\n<body>\n'
        '<div id="view"><svg xmlns="http://www.w3.org/2000/svg"></svg></div>\n'
        f'<div id="bar"><b>{name}</b><input id="find" type="search" placeholder="find a layer ( / )" aria-label="find a layer">'
        '<button id="out" title="zoom out ( - )">&minus;</button><button id="in" title="zoom in ( + )">+</button>'
        '<button id="fit" title="whole graph ( 0 )">fit</button><button id="open">open all</button>'
        '<button id="close">close all</button><ol id="found" hidden></ol></div>\n<aside id="facts" hidden></aside>\n'
        f'<script type="application/json" id="data">{text}</script>\n<script>{_SCRIPT}</script>\n</body>\n</html>\n'
    )


def _facts(box: Box, parents: dict[str, str]) -> dict[str, Any]:
    return {
        "name": box.name,
        "title": box.title,
        "facts": box.facts,
        "parent": parents[box.key],
        "group": box.inside is not None,
    }


def _tile(box: Box) -> dict[str, Any]:
    scene, inlets, outlets = tile_of(box)
    return {
        "w": _n(scene.width),
        "h": _n(scene.height),
        "boxes": [_placed(placed) for placed in scene.boxes],
        "lines": [_line(line) for line in scene.lines],
        "inlets": [_n(x) for x in inlets],
        "outlets": [_n(x) for x in outlets],
        "rows": _rows(scene),
    }


def _rows(scene: Scene) -> list[list[float]]:
    """Return the top and bottom of each row of boxes."""
    rows: dict[float, float] = {}
    for placed in scene.boxes:
        rows[round(placed.y, 1)] = max(rows.get(round(placed.y, 1), 0.0), placed.height)
    return [[_n(y - height / 2), _n(y + height / 2)] for y, height in sorted(rows.items())]


def _placed(placed: PlacedBox) -> dict[str, Any]:
    return {
        "key": placed.box.key,
        "x": _n(placed.x),
        "y": _n(placed.y),
        "w": _n(placed.width),
        "h": _n(placed.height),
        "svg": box_fragment(PlacedBox(placed.box, 0.0, 0.0, placed.width, placed.height)),
    }


def _line(line: Line) -> dict[str, Any]:
    return {
        "start": [_n(v) for v in line.start],
        "pieces": [[[_n(v) for v in point] for point in piece] for piece in line.pieces],
        "colour": line.colour,
        "head": line.head,
        "hint": line.hint,
        "dashed": line.dashed,
        "from": list(line.source),
        "to": list(line.target),
        "tags": [[text, [_n(v) for v in place]] for text, place in line.tags],
    }


def _n(number: float) -> float:
    return round(number, 1)


_STYLE = """
#bar { flex-wrap: wrap; max-width: 580px; }
#found { flex-basis: 100%; margin: 0; padding: 0; list-style: none; max-height: 50vh; overflow: auto; }
#found li { padding: 3px 6px; border-radius: 6px; cursor: pointer; } #found li:hover, #found li.on { background: var(--line); }
#found span { color: var(--faint); }
#facts h2 { overflow-wrap: anywhere; }
.gk-group { cursor: pointer; }
.gk-frame > rect { fill: #8b5cf6; fill-opacity: .06; stroke: #8b5cf6; stroke-opacity: .7; stroke-width: 1.3; stroke-dasharray: 6 4; }
.gk-frame > text { font-size: 12px; font-weight: 600; fill: var(--text); } .gk-frame > text.sign { fill: #8b5cf6; }
.gk-frame.on > rect { stroke: var(--mark); stroke-width: 2.6; }
"""

_SCRIPT = r"""
const data = JSON.parse(document.getElementById("data").textContent), {tiles, boxes} = data, open = new Set(data.open);
const view = document.getElementById("view"), svg = view.querySelector("svg"), facts = document.getElementById("facts");
const TITLE = 34, PAD = 18, HEAD = 8, HALF = 3.8;
const clamp = (v, a, b) => Math.min(Math.max(v, a), b), n = v => Math.round(v * 10) / 10, p = q => `${n(q[0])} ${n(q[1])}`;
const safe = t => String(t).replace(/[&<>"]/g, c => ({"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;"})[c]);
const at = {};  // where each visible box stands: {x, y, w, h}, with x and y of its top left corner

// Return a tile with its open groups in it: its size, a function that draws it at a place, and where its inputs and outputs are.
function composed(key) {
  const tile = tiles[key], inner = {}, size = {};
  for (const b of tile.boxes) {
    size[b.key] = {w: b.w, h: b.h};
    if (!open.has(b.key) || !tiles[b.key]) continue;
    const made = inner[b.key] = composed(b.key);
    const title = 60 + 7.5 * (boxes[b.key].title.length + boxes[b.key].name.length);
    size[b.key] = {w: Math.max(made.w + 2 * PAD, title, b.w), h: made.h + TITLE + PAD};
  }
  const rows = tile.rows.map(([top, bottom]) => ({top, bottom, grown: 0, wide: []}));
  for (const b of tile.boxes) {
    const row = rows.find(r => b.y >= r.top - .6 && b.y <= r.bottom + .6);
    row.grown = Math.max(row.grown, size[b.key].h - (row.bottom - row.top));
    if (size[b.key].w > b.w) row.wide.push({x: b.x, half: b.w / 2, more: (size[b.key].w - b.w) / 2});
  }
  const X = (x, y) => {
    const row = rows.find(r => y >= r.top - .6 && y <= r.bottom + .6);
    return row ? row.wide.reduce((sum, c) => sum + c.more * clamp((x - c.x) / c.half, -1, 1), x) : x;
  };
  const Y = y => rows.reduce((sum, r) => sum + r.grown * clamp((y - r.top) / Math.max(r.bottom - r.top, 1), 0, 1), y);
  const placed = {};
  for (const b of tile.boxes) placed[b.key] = {x: X(b.x, b.y), y: Y(b.y), ...size[b.key]};
  const height = Y(tile.h), lines = tile.lines.map(line => moved(line, tile, X, Y, placed, inner, height));
  let left = 0, right = tile.w;
  for (const b of Object.values(placed)) { left = Math.min(left, b.x - b.w / 2); right = Math.max(right, b.x + b.w / 2); }
  for (const l of lines) for (const q of l.points) { left = Math.min(left, q[0]); right = Math.max(right, q[0]); }
  const ends = {inlets: [], outlets: []};
  for (const l of lines) {
    if (l.from[0] === "") ends.inlets[l.from[1]] = l.points[0][0] - left;
    if (l.to[0] === "") ends.outlets[l.to[1]] = l.points[l.points.length - 1][0] - left;
  }
  const draw = (x, y) => {
    const dx = x - left, parts = [];
    for (const [k, made] of Object.entries(inner)) parts.push(frame(k, placed[k], dx, y));
    parts.push(`<g fill="none" stroke-width="1.5" stroke-linecap="round" stroke-linejoin="round">`);
    for (const l of lines) parts.push(path(l, dx, y));
    parts.push("</g>");
    for (const b of tile.boxes) {
      const q = placed[b.key];
      at[b.key] = {x: q.x + dx - q.w / 2, y: q.y + y - q.h / 2, w: q.w, h: q.h};
      if (inner[b.key]) {
        const made = inner[b.key], spare = (q.w - made.w) / 2;
        parts.push(made.draw(at[b.key].x + spare, at[b.key].y + TITLE));
      } else parts.push(`<g transform="translate(${n(q.x + dx)} ${n(q.y + y)})">${b.svg}</g>`);
    }
    for (const l of lines) for (const [text, q] of l.tags) parts.push(tag(text, [q[0] + dx, q[1] + y], l.colour));
    return parts.join("");
  };
  return {w: right - left, h: height, draw, ...ends};
}

// Return a line with its points moved; at an open group it goes on to the place of the input or output inside.
function moved(line, tile, X, Y, placed, inner, height) {
  const source = placed[line.from[0]], target = placed[line.to[0]], loop = line.from[0] === line.to[0] && source;
  const old = tile.boxes.find(b => b.key === line.from[0]);
  const shift = loop && old ? [placed[old.key].x - old.x + (placed[old.key].w - old.w) / 2, placed[old.key].y - old.y] : null;
  const move = q => shift ? [q[0] + shift[0], q[1] + shift[1]] : [X(q[0], q[1]), Y(q[1])];
  let start = move(line.start), now = start;
  const up = line.pieces.length && line.pieces[line.pieces.length - 1].slice(-1)[0][1] < line.start[1];
  if (!loop) {
    if (source) start = now = [start[0], up ? source.y - source.h / 2 : source.y + source.h / 2];
    else start = now = [start[0], 0];
  }
  const pieces = [], points = [start], first = move(line.start);
  const outside = inner[line.from[0]];
  if (outside && !loop) {
    const q = [source.x - outside.w / 2 + (outside.outlets[line.from[1]] ?? outside.w / 2), source.y + source.h / 2 - PAD];
    if (!up) { pieces.push(...bend(q, start)); points.unshift(q); start = q; }
  }
  if (source && !loop && Math.abs(first[1] - now[1]) > .5) { pieces.push([first]); points.push(first); now = first; }
  line.pieces.forEach(piece => {
    const end = move(piece[piece.length - 1]);
    if (shift) pieces.push(piece.map(move));
    else pieces.push(...bend(now, end));
    now = end; points.push(end);
  });
  if (!loop) {  // straight on to the box, which may stand lower than the top of its row
    const y = target ? (up ? target.y + target.h / 2 : target.y - target.h / 2) : line.to[0] === "" ? height : now[1];
    if (Math.abs(y - now[1]) > .5) { now = [now[0], y]; pieces.push([now]); points.push(now); }
  }
  const within = inner[line.to[0]];
  let head = line.head;
  if (within && !loop && !up) {
    const q = [target.x - within.w / 2 + (within.inlets[line.to[1]] ?? within.w / 2), target.y - target.h / 2 + TITLE];
    pieces.push(...bend(now, q)); points.push(q); head = false;
  }
  return {...line, start, pieces, points, head, tags: line.tags.map(([text, q]) => [text, move(q)])};
}
function bend(a, b) {
  if (Math.abs(a[0] - b[0]) < .05) return [[b]];
  const middle = (a[1] + b[1]) / 2;
  return [[[a[0], middle], [b[0], middle], b]];
}
function path(line, dx, dy) {
  const go = q => [q[0] + dx, q[1] + dy], pieces = line.pieces.map(piece => piece.map(go)), start = go(line.start);
  let head = "";
  if (line.head && pieces.length) {
    const all = [start, ...pieces.flat()], end = all[all.length - 1];
    const before = [...all.slice(0, -1)].reverse().find(q => Math.hypot(q[0] - end[0], q[1] - end[1]) > .5) ?? start;
    const length = Math.hypot(end[0] - before[0], end[1] - before[1]) || 1;
    const u = [(end[0] - before[0]) / length, (end[1] - before[1]) / length], base = [end[0] - u[0] * HEAD, end[1] - u[1] * HEAD];
    const l = [base[0] - u[1] * HALF, base[1] + u[0] * HALF], r = [base[0] + u[1] * HALF, base[1] - u[0] * HALF];
    head = `<path d="M${p(end)}L${p(l)}L${p(r)}Z" fill="${line.colour}" stroke="none"/>`;
    const tail = pieces[pieces.length - 1];
    tail[tail.length - 1] = [end[0] - u[0] * (HEAD - 1), end[1] - u[1] * (HEAD - 1)];
  }
  const d = `M${p(start)}` + pieces.map(piece => (piece.length === 1 ? "L" : "C") + piece.map(p).join(" ")).join("");
  const hint = line.hint ? `<title>${safe(line.hint)}</title>` : "";
  return `<path d="${d}" stroke="${line.colour}"${line.dashed ? ' stroke-dasharray="3 4"' : ""}>${hint}</path>${head}`;
}
function tag(text, q, colour) {
  const half = Math.max(8, text.length * 3.4 + 4);
  return `<rect x="${n(q[0] - half)}" y="${n(q[1] - 8)}" width="${n(2 * half)}" height="16" rx="8" fill="#fff" stroke="${colour}" ` +
    `stroke-width="1.2"/><text x="${n(q[0])}" y="${n(q[1] + 3.6)}" font-size="10" font-weight="600" fill="${colour}" ` +
    `text-anchor="middle">${safe(text)}</text>`;
}
function frame(key, q, dx, dy) {
  const x = q.x + dx - q.w / 2, y = q.y + dy - q.h / 2, b = boxes[key];
  return `<g class="gk-frame gk-group" data-key="${safe(key)}">` +
    `<rect x="${n(x)}" y="${n(y)}" width="${n(q.w)}" height="${n(q.h)}" rx="12"/>` +
    `<text class="sign" x="${n(x + 12)}" y="${n(y + 21)}">&minus;</text><text x="${n(x + 27)}" y="${n(y + 21)}">${safe(b.title)} ` +
    `<tspan font-weight="400" fill-opacity=".7">${safe(b.name)}</tspan></text></g>`;
}

// ----- showing -----
let box = {x: 0, y: 0, w: 1, h: 1}, size = {w: 1, h: 1}, held = null, pinned = null;
function draw() {
  for (const key of Object.keys(at)) delete at[key];
  const all = composed("");
  size = {w: all.w + 32, h: all.h + 32};
  svg.innerHTML = all.draw(16, 16);
  svg.querySelectorAll(".gk-box > title").forEach(t => t.remove());
  svg.querySelectorAll(".gk-box").forEach(g => { if (tiles[g.dataset.key]) g.classList.add("gk-group"); });
  dim();
  if (pinned) mark(pinned);
}
const show = () => svg.setAttribute("viewBox", `${box.x} ${box.y} ${box.w} ${box.h}`);
const scale = () => Math.max(box.w / view.clientWidth, box.h / view.clientHeight);
function fit() {
  const k = Math.max(size.w / (view.clientWidth - 60), Math.min(size.h / (view.clientHeight - 110), 1.6), 0.6);
  box = {w: view.clientWidth * k, h: view.clientHeight * k};
  box.x = (size.w - box.w) / 2; box.y = size.h > box.h ? -80 * k : (size.h - box.h) / 2 - 25 * k;
  show();
}
function zoom(factor, px, py) {
  const k = scale(), x = box.x + px * k, y = box.y + py * k, wanted = clamp(k * factor, 0.08, 200);
  box = {w: view.clientWidth * wanted, h: view.clientHeight * wanted, x: x - px * wanted, y: y - py * wanted};
  show();
}
function toggle(key) {  // the top of the group stays where it is on the screen
  const before = at[key];
  open.has(key) ? open.delete(key) : open.add(key);
  draw();
  box.x += at[key].x + at[key].w / 2 - before.x - before.w / 2; box.y += at[key].y - before.y;
  show();
}
function go(key) {
  for (let above = boxes[key].parent; above; above = boxes[above].parent) open.add(above);
  draw();
  const q = at[key], k = Math.min(scale(), 1);
  box = {w: view.clientWidth * k, h: view.clientHeight * k};
  box.x = q.x + q.w / 2 - box.w / 2; box.y = q.y + q.h / 2 - box.h / 2;
  pinned = key; tell(key); show();
}
function mark(key) {
  svg.querySelectorAll(".on").forEach(g => g.classList.remove("on"));
  const g = key && svg.querySelector(`[data-key="${CSS.escape(key)}"]`);
  if (g) g.classList.add("on");
}
function tell(key) {
  facts.hidden = key === null;
  mark(key);
  if (key === null) return;
  const b = boxes[key];
  facts.replaceChildren();
  const add = (name, text, to = facts) => { const e = document.createElement(name); e.textContent = text; to.append(e); return e; };
  add("h2", b.name); add("p", b.title);
  const list = add("dl", "");
  for (const [k, v] of Object.entries(b.facts)) { add("dt", k, list); add("dd", v, list); }
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
svg.addEventListener("pointerover", e => { const g = e.target.closest("[data-key]"); if (g && !held) tell(g.dataset.key); });
svg.addEventListener("pointerout", e => { if (e.target.closest("[data-key]") && !held) tell(pinned); });
svg.addEventListener("click", e => {
  if (held && held.moved) return;
  const g = e.target.closest("[data-key]");
  if (g && g.classList.contains("gk-group")) { toggle(g.dataset.key); return; }
  pinned = g ? g.dataset.key : null;
  tell(pinned);
});

// ----- search -----
const find = document.getElementById("find"), found = document.getElementById("found");
let hits = [], chosen = -1;
const fits = (key, wanted) => `${boxes[key].name} ${boxes[key].title} ${boxes[key].facts.scope ?? ""}`.toLowerCase().includes(wanted);
function dim() {
  const wanted = find.value.trim().toLowerCase(), inside = new Set();
  for (const key of wanted ? Object.keys(boxes) : []) if (fits(key, wanted))
    for (let k = key; k; k = boxes[k].parent) inside.add(k);
  svg.querySelectorAll(".gk-box").forEach(g => g.classList.toggle("off", wanted !== "" && !inside.has(g.dataset.key)));
}
function search() {
  const wanted = find.value.trim().toLowerCase();
  hits = wanted ? Object.keys(boxes).filter(key => fits(key, wanted)) : [];
  chosen = -1;
  found.replaceChildren(...hits.slice(0, 30).map(key => {
    const item = document.createElement("li"), kind = document.createElement("span");
    const [first, second] = boxes[key].group ? [boxes[key].title, boxes[key].name] : [boxes[key].name, boxes[key].title];
    kind.textContent = ` ${second}`;
    item.append(first, kind);
    item.onclick = () => go(key);
    return item;
  }));
  if (hits.length > 30) { const more = document.createElement("li"); more.textContent = `${hits.length - 30} more`; found.append(more); }
  found.hidden = !hits.length;
  dim();
}
find.addEventListener("input", search);
find.addEventListener("keydown", e => {
  if (e.key === "Escape") { find.value = ""; search(); find.blur(); }
  if ((e.key !== "Enter" && e.key !== "ArrowDown" && e.key !== "ArrowUp") || !hits.length) return;
  chosen = (chosen + (e.key === "ArrowUp" || e.shiftKey ? hits.length - 1 : 1)) % hits.length;
  [...found.children].forEach((item, number) => item.classList.toggle("on", number === chosen));
  go(hits[chosen]);
});
const middle = f => zoom(f, view.clientWidth / 2, view.clientHeight / 2);
document.getElementById("in").onclick = () => middle(.75);
document.getElementById("out").onclick = () => middle(1.33);
document.getElementById("fit").onclick = fit;
document.getElementById("open").onclick = () => { Object.keys(tiles).forEach(k => k && open.add(k)); draw(); fit(); };
document.getElementById("close").onclick = () => { open.clear(); draw(); fit(); };
addEventListener("keydown", e => {
  if (e.target === find) return;
  if (e.key === "0") fit(); else if (e.key === "+" || e.key === "=") middle(.75); else if (e.key === "-") middle(1.33);
  else if (e.key === "/") { e.preventDefault(); find.focus(); } else if (e.key === "Escape") { pinned = null; tell(null); }
});
addEventListener("resize", () => {
  const k = scale();
  box = {...box, w: view.clientWidth * k, h: view.clientHeight * k};
  show();
});
draw(); fit();
"""
