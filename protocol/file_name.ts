/**
 * Names of files: from a URL or from a peer, made safe, and those beside them.
 *
 * @module
 */

/** The most bytes of a name that file systems take. */
const NAME_LIMIT = 255;
/** The most bytes of a name that we choose: `.part` fits behind it. */
const OUR_LIMIT = NAME_LIMIT - ".part".length;

function bytesIn(text: string): number {
  return new TextEncoder().encode(text).length;
}

/** The beginning of a text that takes at most so many bytes of UTF-8. */
function fit(text: string, bytes: number): string {
  const letters = [...text].slice(0, bytes);
  while (bytesIn(letters.join("")) > bytes) letters.pop();
  return letters.join("");
}

/**
 * A name without what a file system or a terminal could take for something else; perhaps empty.
 *
 *     "a/b:c"    → "a_b_c"      (folders, drives, streams)
 *     "aux.txt"  → "_aux.txt"   (a device)
 *     "-"        → "_-"         (stdout)
 *     "a. ."     → "a"          (what Windows drops)
 *     ".."       → ""
 */
export function safeName(name: string): string {
  name = name.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}/\\:*?"<>|]/gu, "_").replace(/[. ]+$/, "");
  if (/^(-|(con|prn|aux|nul|com\d|lpt\d)(\..*)?)$/is.test(name)) name = `_${name}`;
  const [, stem = "", end = ""] = /^(.*?)(\.[^.]{1,15})?$/su.exec(name) ?? [];
  return (fit(stem, OUR_LIMIT - bytesIn(end)) + end).replace(/[. ]+$/, "");
}

/** Percent-decoded UTF-8; what is none stays as it is. */
function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

/**
 * The name of the file for a URL: its last path segment, percent-decoded and safe.
 *
 *     /a/b%20c.txt → "b c.txt"
 *     /a/b/        → "index.html"
 *     /..%2fetc    → ".._etc"
 *     /a?b=c       → "a"
 */
export function fileName(url: URL): string {
  return safeName(decoded(url.pathname.split("/").at(-1)!)) || "index.html";
}

/** The path of a URL, percent-decoded. */
export function pathOf(url: URL): string {
  return url.pathname.split("/").map(decoded).join("/");
}

/** FNV-1a with 32 bits: no secret, only different for different names. */
function hash(text: string): number {
  return [...new TextEncoder().encode(text)]
    .reduce((sum, byte) => Math.imul(sum ^ byte, 0x01000193) >>> 0, 0x811c9dc5);
}

/**
 * The name of the partial file beside `path`, short enough for `.json.new` behind it.
 *
 *     "dir/a.iso" → "dir/a.iso.part"
 */
export function partName(path: string): string {
  const at = path.lastIndexOf("/") + 1, base = path.slice(at);
  const limit = NAME_LIMIT - ".part.json.new".length;
  if (bytesIn(base) <= limit) return `${path}.part`;
  // two long names that begin alike are not one file
  const mark = `~${hash(base).toString(16)}`;
  return `${path.slice(0, at)}${fit(base, limit - mark.length)}${mark}.part`;
}

/** The folder of a file, as it is written. */
export function folderOf(path: string): string {
  return path.replace(/[^/]*$/, "") || ".";
}

/**
 * A path without the parts that lead nowhere: two spellings of one path are equal then.
 *
 *     "./a//b/./c" → "a/b/c"
 *     "/a/" → "/a"
 */
export function plainPath(path: string): string {
  const parts = path.split("/").filter((part) => part !== "." && part !== "");
  return (path.startsWith("/") ? "/" : "") + parts.join("/");
}
