/**
 * Bytes as text in which every difference can be seen, and back.
 *
 * @module
 */
import { assert, assertEquals } from "jsr:@std/assert@^1.0.0";
import { escaped, quote, quoteDifference, unescaped } from "../../protocol/escapes.ts";
import { encode } from "../support/bytes.ts";
import { anyCharacter, fc } from "../support/fuzz.ts";

const family = "👩‍👩‍👧‍👦";

Deno.test("unescaped reads the escapes, and UTF-8 as it is", () => {
  assertEquals(unescaped("+PONG\\r\\n"), encode("+PONG\r\n"));
  assertEquals(unescaped("\\t\\\\n\\x00\\xfF"), Uint8Array.of(9, 0x5c, 0x6e, 0, 255));
  assertEquals(unescaped("小\\x41"), encode("小A"));
  assertEquals(unescaped(""), new Uint8Array());
});

Deno.test("unescaped refuses a backslash that begins no escape", () => {
  for (const text of ["\\", "a\\", "\\d", "\\x", "\\x4", "\\xg0", "\\u0041", "\\N", "\\\\\\"]) {
    assertEquals(unescaped(text), undefined, text);
  }
});

Deno.test("unescaped gives back what escaped showed, whatever the bytes", () => {
  const pieces = fc.oneof(
    fc.uint8Array({ maxLength: 9 }),
    fc.string({ unit: anyCharacter, maxLength: 9 }).map(encode),
    fc.constantFrom(...["\\", "\\x41", "\ufeff", family, "e\u0301", "\u00a0"].map(encode)),
  );
  fc.assert(fc.property(fc.array(pieces, { maxLength: 6 }), (parts) => {
    const bytes = Uint8Array.from(parts.flatMap((part) => [...part]));
    assertEquals(unescaped(escaped(bytes)), bytes);
  }));
});

Deno.test("escaped leaves no character that cannot be seen", () => {
  const shown = {
    "\ufeffa": "\\xef\\xbb\\xbfa",
    "a\u200bb": "a\\xe2\\x80\\x8bb",
    "\u202eabc": "\\xe2\\x80\\xaeabc",
    "\u00a0 ": "\\xc2\\xa0 ",
    "\x1b[31m\x7f\u009b": "\\x1b[31m\\x7f\\xc2\\x9b",
    "\ufffd": "\\xef\\xbf\\xbd",
    "a\\b": "a\\\\b",
    "\r\n\t": "\\r\\n\\t",
  };
  for (const [text, expected] of Object.entries(shown)) {
    assertEquals(escaped(encode(text)), expected);
  }
});

Deno.test("escaped shows letters, accents and emoji as people see them", () => {
  for (const text of ["Ada", "小明", "é", "e\u0301", family, "❤️", "🇩🇪", "नमस्ते", '"']) {
    assertEquals(escaped(encode(text)), text);
  }
});

Deno.test("escaped shows bytes that are no UTF-8, and the characters around them", () => {
  const bytes = (...parts: (string | number)[]) =>
    Uint8Array.from(parts.flatMap((part) => typeof part === "string" ? [...encode(part)] : part));
  assertEquals(escaped(bytes("小", 0xff, "明")), "小\\xff明");
  assertEquals(escaped(bytes("小").slice(0, 2)), "\\xe5\\xb0"); // cut
  assertEquals(escaped(bytes("\ue000")), "\\xee\\x80\\x80"); // the first behind the half ones
  assertEquals(escaped(bytes(0xc0, 0x80)), "\\xc0\\x80"); // overlong
  assertEquals(escaped(bytes(0xed, 0xa0, 0x80)), "\\xed\\xa0\\x80"); // half a pair
  assertEquals(escaped(bytes(0xf4, 0x90, 0x80, 0x80)), "\\xf4\\x90\\x80\\x80"); // behind the last
});

Deno.test("quoteDifference shows two texts as different whenever their bytes are", () => {
  const likes = [
    "A",
    "a",
    "а",
    "\u00a0",
    " ",
    "\u200b",
    "é",
    "e\u0301",
    "❤",
    "❤️",
    family,
    "ﬁ",
    "fi",
  ];
  const text = fc.array(
    fc.oneof(fc.constantFrom(...likes), fc.string({ unit: anyCharacter, maxLength: 3 })),
    { maxLength: 60 },
  ).map((parts) => encode(parts.join("")));
  fc.assert(fc.property(text, text, text, (before, one, other) => {
    const [first, second] = [one, other].map((end) => Uint8Array.from([...before, ...end]));
    const same = escaped(first!) === escaped(second!);
    const [shown, should] = quoteDifference(first!, second!);
    if (!same) assert(shown !== should, shown);
    assert(/^"[^\p{Cc}\p{Cf}]*"$/u.test(shown.replaceAll("\u200d", "")), shown);
  }));
});

Deno.test("quoteDifference leaves nothing beyond ASCII where two characters look alike", () => {
  const cases = [
    ["Hello, e\u0301!", "Hello, é!", '"Hello, e\\xcc\\x81!"', '"Hello, \\xc3\\xa9!"'],
    ["Hello, аda!", "Hello, ada!", '"Hello, \\xd0\\xb0da!"', '"Hello, ada!"'],
    ["❤", "❤️", '"\\xe2\\x9d\\xa4"', '"\\xe2\\x9d\\xa4\\xef\\xb8\\x8f"'],
    ["Hello, А!", "Hello, Α!", '"Hello, \\xd0\\x90!"', '"Hello, \\xce\\x91!"'], // Cyrillic and Greek
    ["口", "ロ", '"\\xe5\\x8f\\xa3"', '"\\xe3\\x83\\xad"'], // a mouth and Katakana
    ["–", "−", '"\\xe2\\x80\\x93"', '"\\xe2\\x88\\x92"'], // a dash and a minus
    ["Hello, 小红!", "Hello, 小明!", '"Hello, 小红!"', '"Hello, 小明!"'],
    ["👍", "👎", '"👍"', '"👎"'],
    ["小!", "小?", '"小!"', '"小?"'],
  ] as const;
  for (const [one, other, ...shown] of cases) {
    assertEquals(quoteDifference(encode(one), encode(other)), shown);
  }
});

Deno.test("quoteDifference quotes a part of a long text, around the difference", () => {
  const [shown, should] = quoteDifference(
    encode("x".repeat(1e6) + "y" + "z".repeat(1e6)),
    encode("x".repeat(1e6) + "!"),
  );
  assertEquals(shown, `"…${"x".repeat(15)}y${"z".repeat(24)}…"`);
  assertEquals(should, `"…${"x".repeat(15)}!"`);
});

Deno.test("quoteDifference cuts no emoji, and shows what comes after many of them", () => {
  const [shown, should] = quoteDifference(
    encode(family.repeat(99) + "x"),
    encode(family.repeat(99) + "y"),
  );
  assertEquals(shown, `"…${family.repeat(7)}x"`);
  assertEquals(should, `"…${family.repeat(7)}y"`);
});

Deno.test("quoteDifference shows what differs, however long it is in escapes", () => {
  const [shown, should] = quoteDifference(encode(family), encode(`${family}\ufe0f`));
  assert(should.endsWith('\\xef\\xb8\\x8f"'), should);
  assertEquals(unescaped(shown.slice(1, -1)), encode(family));
});

Deno.test("quoteDifference shows a difference behind a thousand marks on one letter", () => {
  const pile = `a${"\u0301".repeat(1000)}`;
  const [shown, should] = quoteDifference(encode(`${pile}x`), encode(`${pile}y`));
  assert(shown !== should, shown);
  assert(shown.length < 300 && should.length < 300, `${shown.length} ${should.length}`);
});

Deno.test("quote shows a part of a line", () => {
  assertEquals(quote("Ada"), '"Ada"');
  assertEquals(quote(""), '""');
  assertEquals(quote("a\nb"), '"a\\nb"');
  assertEquals(quote("x".repeat(1e7)), `"${"x".repeat(40)}…"`);
  assertEquals(quote(family.repeat(40)), `"${family.repeat(20)}…"`);
});
