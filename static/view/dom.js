// Making and keeping elements. Text goes in as text, never as markup.

const svg = 'http://www.w3.org/2000/svg';
const kept = new WeakMap(); // what keyed made, by parent
const flashes = new WeakMap(); // the last flash, by element
const ring = [{ boxShadow: '0 0 0 3px var(--glow)' }, { boxShadow: '0 0 0 3px transparent' }];
const still = matchMedia('(prefers-reduced-motion: reduce)');

// el makes an element with attributes and children; null and '' children are left out.
export function el(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children.filter((child) => child !== null && child !== ''));
  return node;
}

// icon is one of the symbols at the end of index.html; it says nothing to a screen reader.
export function icon(name) {
  const node = document.createElementNS(svg, 'svg');
  const use = document.createElementNS(svg, 'use');
  use.setAttribute('href', `#i-${name}`);
  node.setAttribute('class', 'icon');
  node.setAttribute('aria-hidden', 'true');
  node.append(use);
  return node;
}

// put writes a text only where it differs, so that nothing is laid out or announced twice.
export function put(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

// keyed makes the children of parent those of the items, in their order, and keeps the elements of
// items that stay. update(node, item, fresh) is called only for items that are not the same as before.
export function keyed(parent, items, { key, create, update, same = Object.is }) {
  const held = kept.get(parent) ?? new Map();
  const next = new Map();
  let place = parent.firstElementChild;
  for (const item of items) {
    const id = key(item);
    const before = held.get(id);
    const node = before?.node ?? create(item);
    if (node === place) place = place.nextElementSibling;
    else parent.insertBefore(node, place);
    if (!before || !same(before.item, item)) update(node, item, !before);
    next.set(id, { node, item });
    held.delete(id);
  }
  for (const { node } of held.values()) node.remove();
  kept.set(parent, next);
}

// wash is the flash of a row, whose neighbours are too near for a ring.
export const wash = [{ backgroundColor: 'color-mix(in srgb, var(--glow) 32%, transparent)' }, { backgroundColor: 'transparent' }];

// flash marks what has just changed, once and softly. It reads nothing of the layout, so that
// hundreds in one frame cost no more than their drawing.
export function flash(node, glow = ring) {
  if (still.matches) return;
  flashes.get(node)?.cancel();
  flashes.set(node, node.animate(glow, { duration: 1600, easing: 'ease-out' }));
}
