// the npm build of @std lacks the data of its own unicode_width.js
import stringWidth from "npm:fast-string-width@3.0.2";

/** How many columns of a terminal a text takes. */
export const unicodeWidth: (str: string) => number = (str) => stringWidth(str);
