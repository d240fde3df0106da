/**
 * Draws bar charts as SVG, in colours that show on light and on dark pages.
 *
 * @module
 */
import type { Bar, Chart } from "./report.ts";

const WIDTH = 700, LABEL = 190, VALUE = 90, ROW = 22;

// Mid tones: each has a contrast of about 4 on white and on black.
const INK = "#7a828c", OURS = "#2f81f7", PEER = "#9aa2ac";

/** Draws `chart`; the bars of the script whose label ends in `.ts` stand out. */
export function draw({ title, groups }: Chart): string {
  const bars = groups.flatMap((group) => group.bars);
  const most = Math.max(...bars.map((bar) => bar.max));
  const scale = (value: number) => round(value / most * (WIDTH - LABEL - VALUE));
  const lines: string[] = [];
  let y = 40;
  for (const group of groups) {
    if (group.label) lines.push(text(0, y, group.label, "bold"));
    y += group.label ? 8 : -16;
    for (const bar of group.bars) {
      lines.push(...row(bar, y, scale));
      y += ROW;
    }
    y += ROW;
  }
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${y}" ` +
    `width="${WIDTH}" height="${y}" role="img" aria-label="${escape(title)}" ` +
    `font-family="system-ui, sans-serif" font-size="14" fill="${INK}">\n` +
    [text(0, 16, title, "bold"), ...lines].join("\n") + "\n</svg>\n";
}

function row(bar: Bar, y: number, scale: (value: number) => number): string[] {
  const ours = /\.ts\b/.test(bar.label);
  const middle = y + ROW / 2, x = (value: number) => LABEL + scale(value);
  return [
    text(LABEL - 8, middle + 5, bar.label, ours ? "bold" : "normal", "end"),
    `<rect x="${LABEL}" y="${y + 3}" width="${scale(bar.median)}" ` +
    `height="${ROW - 6}" rx="2" fill="${ours ? OURS : PEER}"/>`,
    `<path d="M${x(bar.min)} ${middle}H${x(bar.max)}" stroke="${INK}" ` +
    `stroke-width="2"/>`,
    text(x(bar.max) + 6, middle + 5, bar.value, ours ? "bold" : "normal"),
  ];
}

function text(
  x: number,
  y: number,
  words: string,
  weight: "bold" | "normal",
  anchor: "start" | "end" = "start",
): string {
  return `<text x="${x}" y="${y}" font-weight="${weight}" ` +
    `text-anchor="${anchor}">${escape(words)}</text>`;
}

function escape(words: string): string {
  return words.replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
}

function round(value: number): number {
  return Math.round(value * 10) / 10;
}
