/**
 * Bytes: of texts, of nothing in particular, and whether they are the same.
 *
 * @module
 */
import { Buffer } from "node:buffer";

/** The bytes of a text in UTF-8, or the bytes themselves. */
export function encode(words: string | Uint8Array): Uint8Array {
  return typeof words === "string" ? new TextEncoder().encode(words) : words;
}

/** The bytes of a text that has one char for each. */
export function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.from(text, "latin1"));
}

/** A text with one char for each byte. */
export function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("latin1");
}

/** All parts in one new array. */
export function joined(...parts: (Uint8Array | string)[]): Uint8Array<ArrayBuffer> {
  const bytes = parts.map((part) => typeof part === "string" ? bytesOf(part) : part);
  return new Uint8Array(Buffer.concat(bytes));
}

/** Bytes of which no two parts look alike; another `seed` gives others. */
export function noise(length: number, seed: number = 1): Uint8Array {
  const words = new Uint32Array(Math.ceil(length / 4));
  let state = seed;
  for (let at = 0; at < words.length; at++) {
    // xorshift32: small, quick, and the same in each run
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[at] = state;
  }
  return new Uint8Array(words.buffer, 0, length);
}

/** Whether these are the same bytes. Quicker than `assertEquals` if they are many. */
export function isSame(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

/** Whether `bytes` are the first of `whole`. */
export function isPrefix(bytes: Uint8Array, whole: Uint8Array): boolean {
  return isSame(bytes, whole.subarray(0, bytes.length));
}
