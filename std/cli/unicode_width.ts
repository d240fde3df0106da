import { unicodeWidth as untyped } from "npm:deno-std@1.4.0/cli/unicode_width.js";

/** How many columns of a terminal a text takes. */
export const unicodeWidth: (str: string) => number = untyped;
