/**
 * Bytes as a text in which each of them can be seen, and back. What a message quotes can be pasted
 * behind `--expect`: both know `\r`, `\n`, `\t`, `\xHH` and `\\`, and UTF-8 for the rest.
 *
 * @module
 */

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
const BY_LETTER: Readonly<Record<string, number>> = { r: 0x0d, n: 0x0a, t: 0x09, "\\": 0x5c };
const BY_BYTE = new Map(Object.entries(BY_LETTER).map(([letter, byte]) => [byte, `\\${letter}`]));

/**
 * The bytes that a text with escapes stands for; `undefined` if a backslash begins none.
 *
 * `+PONG\r\n` → the 7 bytes of Redis; `\xff` → one byte; `小` → its three bytes; `\d` → `undefined`
 */
export function unescaped(text: string): Uint8Array<ArrayBuffer> | undefined {
  const bytes: number[] = [];
  for (const [i, part] of text.split(/\\([rnt\\]|x[0-9a-fA-F]{2})/).entries()) {
    if (i % 2 === 1) bytes.push(BY_LETTER[part] ?? parseInt(part.slice(1), 16));
    else if (part.includes("\\")) return undefined;
    else for (const byte of encoder.encode(part)) bytes.push(byte);
  }
  return Uint8Array.from(bytes);
}

/**
 * A character beyond ASCII as UTF-8 has it (RFC 3629, section 4), else one byte that is no part of
 * any; in a text whose characters are bytes.
 */
const BEYOND_ASCII = new RegExp(
  "[\xc2-\xdf][\x80-\xbf]" +
    "|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}|\xed[\x80-\x9f][\x80-\xbf]" +
    "|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2}" +
    "|[\x80-\xff]",
  "g",
);

/** Where the lone surrogates begin that stand for bytes, as in Python's `surrogateescape`. */
const SURROGATES = 0xdc00;

/** UTF-8 as text; a byte that is no part of it becomes a lone surrogate, and not U+FFFD. */
function decode(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => String.fromCharCode(byte)).join("").replace(
    BEYOND_ASCII,
    (found) => {
      const codes = Array.from(found, (char) => char.charCodeAt(0));
      return codes.length > 1
        ? decoder.decode(Uint8Array.from(codes))
        : String.fromCharCode(SURROGATES + codes[0]!);
    },
  );
}

function escapeCharacter(char: string): string {
  const code = char.codePointAt(0)!, lone = code >= SURROGATES && code < 0xe000;
  const bytes = lone ? [code - SURROGATES] : encoder.encode(char);
  return Array.from(
    bytes,
    (byte) => BY_BYTE.get(byte) ?? `\\x${byte.toString(16).padStart(2, "0")}`,
  ).join("");
}

/** Controls, marks of direction, byte order marks, any space but the usual one, half characters. */
const invisible = () => /[\p{C}\p{Default_Ignorable_Code_Point}\ufffd\\]|(?! )\p{Z}/gu;
/** An emoji as people see it: what joins its parts is no more invisible than they are. */
const emoji = () => /^\p{RGI_Emoji}$/v; // a function: to make it takes 25 ms, and few runs need it

/** Shows a character as people count them; `strict` leaves none beyond ASCII. */
function show(character: string, strict: boolean): string {
  if (strict) return character.replace(/[^ -~]|\\/gu, escapeCharacter);
  return /^[ -[\]-~]$/.test(character) || emoji().test(character)
    ? character
    : character.replace(invisible(), escapeCharacter);
}

/** More code units than an emoji has: marks can be piled up on one letter without end. */
const LONGEST_CHARACTER = 32;

/** The characters as people count them: an emoji of four persons is one. */
function characters(text: string): string[] {
  const segments = Array.from(new Intl.Segmenter().segment(text), ({ segment }) => segment);
  return segments.flatMap((one) => one.length > LONGEST_CHARACTER ? Array.from(one) : one);
}

/** Bytes as text, what cannot be seen in it as escapes: the opposite of {@linkcode unescaped}. */
export function escaped(bytes: Uint8Array): string {
  return characters(decode(bytes)).map((character) => show(character, false)).join("");
}

/** So many bytes before and behind a difference are looked at. */
const WINDOW = 1024;
/** How much is quoted of a text, and before a difference in a long one, in columns. */
const QUOTED = 40, BEFORE = 15;

/** How many columns a character takes, nearly. */
function columns(character: string, strict: boolean): number {
  const shown = show(character, strict);
  return shown === character ? Math.min(shown.length, 2) : shown.length;
}

/** Quotes a part of a line around the character `at`, which is always in it. */
function quoteAround(text: readonly string[], at: number, strict: boolean, cut: boolean): string {
  const widths = text.map((character) => columns(character, strict));
  let from = Math.min(at, text.length), before = 0;
  while (from > 0 && before + widths[from - 1]! <= BEFORE) before += widths[--from]!;
  if (!cut && widths.slice(0, from).reduce((sum, width) => sum + width, 0) <= BEFORE) from = 0;
  let to = from, width = 0;
  while (to < text.length && (to <= at || width + widths[to]! <= QUOTED)) width += widths[to++]!;
  const shown = text.slice(from, to).map((character) => show(character, strict)).join("");
  return `"${cut || from > 0 ? "…" : ""}${shown}${to < text.length ? "…" : ""}"`;
}

/** Quotes a text: at most a part of a line, and what cannot be seen as escapes. */
export function quote(text: string): string {
  return quoteAround(characters(text.slice(0, WINDOW)), 0, false, false);
}

function isAscii(text: string): boolean {
  return !/[^\0-\x7f]/.test(text);
}

/** Of two characters of one of these kinds, people see that they differ. */
const kinds = () =>
  [emoji()].concat(
    ["Latin", "Greek", "Cyrillic", "Han", "Hiragana", "Katakana", "Hangul"].map((script) =>
      new RegExp(`^\\p{Script=${script}}`, "u")
    ),
  );

/**
 * Whether characters may look alike: `e` and Cyrillic `е`, `é` in two forms, a heart and a heart,
 * 口 and Katakana ロ, two dashes.
 */
function alike(one: string, other: string): boolean {
  const [form, otherForm] = [one, other].map((character) =>
    character.normalize("NFKC").replace(invisible(), "")
  );
  if (form === otherForm) return true;
  if (!one || !other || isAscii(one) && isAscii(other)) return false;
  return isAscii(one) !== isAscii(other) ||
    !kinds().some((kind) => kind.test(one) && kind.test(other));
}

/**
 * Quotes two texts that differ, so that the difference can be seen: where what differs would look
 * the same, or nearly, nothing beyond ASCII is left.
 *
 * `\ufeffWelcome!`, `Welcome!` → `"\xef\xbb\xbfWelcome!"`, `"Welcome!"`
 */
export function quoteDifference(one: Uint8Array, other: Uint8Array): [string, string] {
  let differ = 0;
  while (differ < one.length && one[differ] === other[differ]) differ++;
  let start = Math.max(0, differ - WINDOW);
  while (start > 0 && start < differ && (one[start]! & 0xc0) === 0x80) start++;
  const texts = [one, other].map((bytes) =>
    characters(decode(bytes.slice(start, differ + WINDOW)))
  );
  const [first, second] = texts as [string[], string[]];
  let at = 0;
  while (at < first.length && first[at] === second[at]) at++;
  const strict = alike(first[at] ?? "", second[at] ?? "");
  return [quoteAround(first, at, strict, start > 0), quoteAround(second, at, strict, start > 0)];
}
