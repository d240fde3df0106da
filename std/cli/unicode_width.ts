import { unicodeWidth as untyped } from "npm:deno-std@1.4.0/cli/unicode_width.js";

/** The number of terminal columns that `str` takes. */
export const unicodeWidth: (str: string) => number = untyped;
