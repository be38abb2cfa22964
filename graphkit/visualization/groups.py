"""Groups of boxes that can be collapsed: the name scopes of imported layers, and runs of layers where there are no scopes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from graphkit.visualization.lettering import shortened
from graphkit.visualization.picture import Arrow, Box, Options, Picture, Port, all_boxes, picture_of
from graphkit.visualization.scopes import name_within, short_name

MANY = 60  # a level with more boxes is divided into runs
_LEAST, _MOST = 8, 30  # boxes in a run
_TITLE = 40  # characters
_VISIBLE = 40  # boxes that are shown at first, at most

Expand: TypeAlias = "bool | int | Collection[str] | None"


@dataclass
class Group:
    """A group while the tree is built: its members are groups and keys of boxes, in order."""

    key: str
    path: str
    title: str
    members: list[Group | str] = field(default_factory=list)


def grouped(picture: Picture) -> Picture:
    """Return a picture whose boxes are grouped by scope; each group is a box with a picture inside.

    Groups of one member are left out, and levels with many boxes are divided into runs between which few tensors pass. Pictures of
    nested models are grouped as well.
    """
    tree = _tree_of(picture)
    return picture if tree is None else tree.picture()


def _tree_of(picture: Picture) -> _Assembly | None:
    """Return the groups of a picture; None if there is nothing to group, inside nested models neither."""
    boxes = {key: _with_groups_inside(box) for key, box in picture.boxes.items()}
    root = Group("", "", "")
    groups: dict[str, Group] = {}
    for key, scope in _scopes(picture).items():
        _place(root, groups, key, scope)
    _simplify(root)
    _name(root)
    _divide(root, picture, boxes)
    is_flat = all(isinstance(member, str) for member in root.members)
    if is_flat and all(box is picture.boxes[key] for key, box in boxes.items()):
        return None
    return _Assembly(root, boxes, picture)


def _with_groups_inside(box: Box) -> Box:
    tree = None if box.inside is None else _tree_of(box.inside)
    if tree is None:
        return box
    entries, exits = tree.entered(box.entries), [tree.left(*place) for place in box.exits]
    return replace(box, inside=tree.picture(), entries=entries, exits=exits)


def _scopes(picture: Picture) -> dict[str, tuple[str, ...]]:
    """Return the scopes of all boxes. A box without one, such as a node that an optimizer added, gets that of all its neighbours."""
    scopes = {key: box.scope for key, box in picture.boxes.items()}
    near: dict[str, list[str]] = {key: [] for key in scopes}
    has_target = set[str]()
    for arrow in picture.arrows:
        near[arrow.source].append(arrow.target)
        near[arrow.target].append(arrow.source)
        has_target.add(arrow.source)
    free = {key for key, scope in scopes.items() if not scope and picture.boxes[key].family != "input"}
    for key in sorted(free):
        part = _connected(key, free, near)
        free -= part
        around = [scopes[other] for inner in part for other in near[inner] if other not in part]
        ends_inside = any(inner not in has_target for inner in part)
        if around and all(around) and not ends_inside:
            scopes.update(dict.fromkeys(part, _common_start(around)))
    return _with_helpers(picture, scopes)


def _with_helpers(picture: Picture, scopes: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """Give ops and constants without a scope that of all that reads them: what computes sizes, tables of positions."""
    readers: dict[str, list[str]] = {key: [] for key in scopes}
    for arrow in picture.arrows:
        readers[arrow.source].append(arrow.target)
    for key in reversed(list(scopes)):
        box = picture.boxes[key]
        made = box.facts.get("shapes", "?").rpartition("→")[2]
        if not scopes[key] and box.family != "input" and (box.is_op or "?" not in made) and readers[key]:
            around = [scopes[other] for other in readers[key]]
            scopes[key] = _common_start(around) if all(around) else ()
    return scopes


def _connected(start: str, among: Collection[str], near: dict[str, list[str]]) -> set[str]:
    """Return the boxes among some that are connected with one of them."""
    found, stack = set[str](), [start]
    while stack:
        key = stack.pop()
        if key in among and key not in found:
            found.add(key)
            stack += near[key]
    return found


def _common_start(scopes: Sequence[tuple[str, ...]]) -> tuple[str, ...]:
    low, high = min(scopes), max(scopes)
    size = next((i for i, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), min(len(low), len(high)))
    return low[:size]


def _place(root: Group, groups: dict[str, Group], key: str, scope: Sequence[str]) -> None:
    above = root
    for path in scope:
        group = groups.get(path)
        if group is None:
            group = groups[path] = Group(f"scope:{path}", path, "")
            above.members.append(group)
        above = group
    above.members.append(key)


def _simplify(group: Group) -> None:
    """Leave out groups of one member, at any depth."""
    stack = [(group, False)]
    while stack:
        current, is_done = stack.pop()
        if not is_done:
            stack.append((current, True))
            stack += [(member, False) for member in current.members if isinstance(member, Group)]
            continue
        current.members = [m.members[0] if isinstance(m, Group) and len(m.members) == 1 else m for m in current.members]


def _name(root: Group) -> None:
    """Name each group by what its scope adds to that of the group around it."""
    for group in _all_groups(root):
        for member in group.members:
            if isinstance(member, Group):
                member.title = shortened(name_within(member.path, group.path), _TITLE)


# ----- runs -----


def _divide(root: Group, picture: Picture, boxes: dict[str, Box]) -> None:
    for group in list(_all_groups(root)):
        if len(group.members) > MANY:
            group.members = list(_runs(group, picture, boxes))


def _all_groups(root: Group) -> Iterator[Group]:
    stack = [root]
    while stack:
        group = stack.pop()
        yield group
        stack += [m for m in group.members if isinstance(m, Group)]


def _keys(member: Group | str) -> list[str]:
    """Return the boxes in a member, at any depth."""
    if isinstance(member, str):
        return [member]
    return [m for inner in _all_groups(member) for m in inner.members if isinstance(m, str)]


def _runs(group: Group, picture: Picture, boxes: dict[str, Box]) -> Iterator[Group | str]:
    """Yield the members of a group in runs, cut where the fewest tensors pass.

    Groups are part of runs only where no tensor goes back from a later member to an earlier one.
    """
    place = {key: number for number, member in enumerate(group.members) for key in _keys(member)}
    goes_back = any(place.get(a.source, -1) > place.get(a.target, len(place)) for a in picture.arrows)
    stretch: list[Group | str] = []
    for member in group.members:
        if goes_back and isinstance(member, Group):
            yield from _cut(group, stretch, place, picture, boxes)
            yield member
            stretch = []
        else:
            stretch.append(member)
    yield from _cut(group, stretch, place, picture, boxes)


def _cut(
    group: Group, members: list[Group | str], place: dict[str, int], picture: Picture, boxes: dict[str, Box]
) -> Iterator[Group | str]:
    """Yield a stretch of members in runs."""
    if len(members) < _LEAST:
        yield from members
        return
    passing = _passing(members, picture)
    start = 0
    while start < len(members):
        if len(members) - start <= _MOST:
            end = len(members)
        else:
            end = min(range(start + _LEAST, start + _MOST + 1), key=lambda cut: (passing[cut], -cut))
        run = members[start:end]
        yield run[0] if len(run) == 1 else _run(group, run, place[_keys(run[0])[0]], boxes)
        start = end


def _passing(members: Sequence[Group | str], picture: Picture) -> list[int]:
    """Return how many tensors pass each place between members: entry i counts those from before member i to it or after it."""
    place = {key: number for number, member in enumerate(members) for key in _keys(member)}
    reach: dict[tuple[str, Port], tuple[int, int]] = {}
    for arrow in picture.arrows:
        if arrow.source in place and arrow.target in place:
            low, high = sorted((place[arrow.source], place[arrow.target]))
            first, last = reach.get((arrow.source, arrow.source_port), (low, high))
            reach[arrow.source, arrow.source_port] = (min(first, low), max(last, high))
    changes = [0] * (len(members) + 2)
    for low, high in reach.values():
        changes[low + 1] += 1
        changes[high + 1] -= 1
    counts, total = [], 0
    for change in changes:
        total += change
        counts.append(total)
    return counts


def _run(group: Group, run: Sequence[Group | str], number: int, boxes: dict[str, Box]) -> Group:
    names = [m.title if isinstance(m, Group) else boxes[m].name for m in run]
    prefix = _common(names)
    title = shortened(prefix or f"{names[0]} … {names[-1]}", _TITLE)
    return Group(f"run:{group.path}:{number}", f"{group.path}.{title}".lstrip("."), title, list(run))


def _common(names: Sequence[str]) -> str:
    """Return the common start of names, up to a "_", "." or "/"; "" if it is short."""
    low, high = min(names), max(names)
    size = next((i for i, (a, b) in enumerate(zip(low, high, strict=False)) if a != b), min(len(low), len(high)))
    cut = max(low.rfind(mark, 0, size + 1) for mark in "_./")
    return low[:cut] if cut >= 3 else ""


# ----- the picture -----


class _Assembly:
    """Builds the nested picture of a tree of groups."""

    def __init__(self, root: Group, boxes: dict[str, Box], flat: Picture) -> None:
        self.root, self.boxes, self.flat = root, boxes, flat
        self.parents: dict[
            str, list[Group]
        ] = {}  # of each box: the groups around it, outermost first, without the root
        self._find_parents(root, [])
        self.arrows: dict[str, dict[Arrow, None]] = {}  # by the key of the group that they are drawn in
        self.entries: dict[str, dict[tuple[str, Port], dict[tuple[str, Port], None]]] = {}
        self.exits: dict[str, dict[tuple[str, Port], tuple[str, Port]]] = {}
        for arrow in flat.arrows:
            self._lift(arrow)

    def _find_parents(self, group: Group, above: list[Group]) -> None:
        for member in group.members:
            if isinstance(member, Group):
                self._find_parents(member, [*above, member])
            else:
                self.parents[member] = above

    def _lift(self, arrow: Arrow) -> None:
        """Add an arrow to the innermost group that holds both ends, and to the borders that it crosses."""
        source_groups, target_groups = self.parents[arrow.source], self.parents[arrow.target]
        shared = 0
        while shared < min(len(source_groups), len(target_groups)) and source_groups[shared] is target_groups[shared]:
            shared += 1
        source, source_port = self.left(arrow.source, arrow.source_port, shared)
        target, target_port = self._into((arrow.source, arrow.source_port), (arrow.target, arrow.target_port), shared)
        source_call = arrow.source_call if source == arrow.source else None
        target_call = arrow.target_call if target == arrow.target else None
        home = source_groups[shared - 1].key if shared else ""
        lifted = Arrow(source, target, source_port, target_port, source_call, target_call, arrow.shape)
        self.arrows.setdefault(home, {})[lifted] = None

    def left(self, key: str, port: Port, shared: int = 0) -> tuple[str, Port]:
        """Return the box and port at which a tensor leaves all groups around its box but the outermost `shared` ones."""
        tensor, place = (key, port), (key, port)
        for group in reversed(self.parents[key][shared:]):
            places = self.exits.setdefault(group.key, {})
            places.setdefault(tensor, place)
            place = (group.key, (0, list(places).index(tensor)))
        return place

    def _into(self, tensor: tuple[str, Port], user: tuple[str, Port], shared: int) -> tuple[str, Port]:
        """Return the box and port at which a tensor enters the groups around the box that reads it."""
        for group in reversed(self.parents[user[0]][shared:]):
            users = self.entries.setdefault(group.key, {})
            users.setdefault(tensor, {})[user] = None
            user = (group.key, (0, list(users).index(tensor)))
        return user

    def entered(self, entries: list[list[tuple[str, Port]]]) -> list[list[tuple[str, Port]]]:
        """Return, for each input of the whole picture, the boxes of the root that read it."""
        return [
            list(dict.fromkeys(self._into(("", (0, number)), user, 0) for user in users))
            for number, users in enumerate(entries)
        ]

    def picture(self) -> Picture:
        """Return the picture of the root."""
        return self._picture(self.root)

    def _picture(self, group: Group) -> Picture:
        made = Picture(self.flat.name, self.flat.options)
        for member in group.members:
            box = self._box(member) if isinstance(member, Group) else self.boxes[member]
            made.boxes[box.key] = box
        made.arrows = list(self.arrows.get(group.key, {}))
        return made

    def _box(self, group: Group) -> Box:
        inside = self._picture(group)
        box = Box(group.key, group.title, f"{len(_keys(group))} layers", "model", show_name=True)
        box.inside = inside
        box.entries = [list(users) for users in self.entries.get(group.key, {}).values()]
        box.exits = list(self.exits.get(group.key, {}).values())
        box.is_group = True
        leaves = [b for b in all_boxes(inside) if b.inside is None]
        box.rows = [_histogram(leaves)]
        box.facts = {
            "scope": group.path,
            "layers": str(len(leaves)),
            "classes": _histogram(leaves, 12),
            **_totals(leaves),
        }
        return box


def _histogram(boxes: Sequence[Box], most: int = 3) -> str:
    counted = Counter(box.title for box in boxes).most_common()
    text = ", ".join(f"{count} {name}" for name, count in counted[:most])
    return text + (" …" if len(counted) > most else "")


def _totals(boxes: Sequence[Box]) -> dict[str, str]:
    numbers = [box.facts["parameters"].split(" ")[0].replace(",", "") for box in boxes if "parameters" in box.facts]
    total = sum(int(number) for number in numbers if number.isdecimal())
    return {"parameters": f"{total:,}"} if total else {}


# ----- as a list -----


def outline(model: Any, expand: Expand) -> Iterator[tuple[str, int, list[Any]]]:
    """Yield the rows of a summary: for a group its name, its level and all layers in it; for a layer "", its level and the layer."""
    operations = list(model.layer_graph.operations)
    yield from _rows_of(grouped(picture_of(model, Options())), expand, 0, operations)


def _rows_of(
    picture: Picture, expand: Expand, level: int, operations: list[Any]
) -> Iterator[tuple[str, int, list[Any]]]:
    for box in picture.boxes.values():
        if box.inside is None:
            yield "", level, [operations[int(box.key)]]
            continue
        keys = sorted(int(inner.key) for inner in all_boxes(box.inside) if inner.inside is None)
        yield box.title, level, [operations[key] for key in keys]
        if is_open(box, expand, level):
            yield from _rows_of(box.inside, expand, level + 1, operations)


# ----- which groups are open -----


def opened(picture: Picture, expand: Expand) -> Picture:
    """Return a grouped picture in which only some groups are open; the others are boxes.

    Args:
        picture: a grouped picture.
        expand: True for all groups, a number for the levels that are open, or the names of scopes (with those around them).
    """
    return _opened(picture, expand, 0)


def _opened(picture: Picture, expand: Expand, level: int) -> Picture:
    made = replace(picture, boxes={})
    for key, box in picture.boxes.items():
        if box.inside is None:
            made.boxes[key] = box
        elif not box.is_group or is_open(box, expand, level):
            made.boxes[key] = replace(box, inside=_opened(box.inside, expand, level + box.is_group))
        else:
            made.boxes[key] = replace(box, inside=None)
    return made


def is_open(box: Box, expand: Expand, level: int) -> bool:
    """Return whether a group is open; `level` is 0 for the outermost groups."""
    if expand is None or isinstance(expand, bool):
        return bool(expand)
    if isinstance(expand, int):
        return level < expand
    names = [expand] if isinstance(expand, str) else expand
    own = box.facts.get("scope", "")
    return any(name == own or name.startswith(f"{own}.") or short_name(own) == name for name in names)


def open_at_first(picture: Picture) -> list[str]:
    """Return the keys of the groups that a page shows open: those of the outer levels, as long as few boxes are visible."""
    found: list[str] = []
    visible = len(picture.boxes)
    level = [picture]
    while level:
        groups = [box for inner in level for box in inner.boxes.values() if box.inside is not None]
        level = [box.inside for box in groups if box.inside is not None]
        more = sum(len(inner.boxes) - 1 for inner in level)
        is_all = not found and len(picture.boxes) <= 3 and more <= MANY  # otherwise almost nothing is visible
        if visible + more > _VISIBLE and not is_all:
            break
        found += [box.key for box in groups]
        visible += more
    return found
