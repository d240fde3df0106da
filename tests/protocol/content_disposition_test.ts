/**
 * Names in Content-Disposition: as the RFC has them, as servers send them, as attackers might.
 *
 * @module
 */
import { assert, assertEquals } from "jsr:@std/assert@^1.0.0";
import { remoteName } from "../../protocol/content_disposition.ts";
import { fc } from "../support/fuzz.ts";

/** A text as a head has it: its bytes of UTF-8, one char each. */
function bytes(text: string): string {
  return String.fromCharCode(...new TextEncoder().encode(text));
}

Deno.test("remoteName reads tokens and quoted strings", () => {
  for (
    const field of [
      "attachment; filename=a.txt",
      'attachment; filename="a.txt"',
      'attachment;filename="a.txt"',
      'attachment ; FileName = "a.txt" ; size=5',
      'inline; size=5; filename=a.txt; x="y"',
      "filename=a.txt",
      'attachment; filename="a.txt"; filename="b.txt"',
      'attachment; filename="a.txt',
      'attachment; x="; filename=b.txt"; filename=a.txt',
      'attachment; x="\\"; filename=b.txt"; filename=a.txt',
      "attachment; filename=a.txt ",
      "; ; =; filename=a.txt",
    ]
  ) assertEquals(remoteName(field), "a.txt", field);
});

Deno.test("remoteName takes what is in quotes as it is, but for escapes", () => {
  assertEquals(remoteName('attachment; filename="a; b=c.txt"'), "a; b=c.txt");
  assertEquals(remoteName('attachment; filename="a \\"b\\".txt"'), 'a "b".txt');
  assertEquals(remoteName('attachment; filename="a\\"; x=y"'), 'a"; x=y');
  assertEquals(remoteName("attachment; filename='a.txt'"), "'a.txt'");
  assertEquals(remoteName("attachment; filename=a b.txt"), "a b.txt");
  assertEquals(remoteName('attachment; filename=a"b.txt'), 'a"b.txt');
  assertEquals(remoteName('attachment; filename="a%20b.txt"'), "a%20b.txt");
  assertEquals(remoteName('attachment; filename="=?UTF-8?B?YQ==?="'), "=?UTF-8?B?YQ==?=");
});

Deno.test("remoteName prefers filename* wherever it stands", () => {
  for (
    const field of [
      "attachment; filename=x; filename*=UTF-8''%e2%82%ac.txt",
      "attachment; filename*=UTF-8''%e2%82%ac.txt; filename=x",
      "attachment; filename*=utf-8'en'%E2%82%AC.txt",
      "attachment; filename*=\"UTF-8''%e2%82%ac.txt\"",
      "attachment; filename* = UTF-8''%e2%82%ac.txt ;",
    ]
  ) assertEquals(remoteName(field), "€.txt", field);
  assertEquals(remoteName("attachment; filename*=iso-8859-1'en'%A3%20a.txt"), "£ a.txt");
  assertEquals(remoteName("attachment; filename*=windows-1251''%EF.txt"), "п.txt");
  assertEquals(remoteName("attachment; filename*=UTF-8''a%22b%3bc.txt"), 'a"b;c.txt');
  assertEquals(remoteName("attachment; filename*=UTF-8''a'b.txt"), "a'b.txt");
});

Deno.test("remoteName falls back to filename where filename* is broken", () => {
  for (
    const value of [
      "",
      "a.txt",
      "UTF-8'a.txt",
      "UTF-8''a%2.txt",
      "UTF-8''%zz",
      "UTF-8''%ff%fe",
      "nothing''a.txt",
      "''a.txt",
      "UTF-8''",
      "UTF-8''..",
      "UTF-8''a%2f",
    ]
  ) {
    assertEquals(remoteName(`attachment; filename*=${value}; filename=x`), "x", value);
    assertEquals(remoteName(`attachment; filename*=${value}`), undefined, value);
  }
});

Deno.test("remoteName takes bytes for UTF-8 if they can be that, else for Latin-1", () => {
  assertEquals(remoteName(`attachment; filename="${bytes("小明 € 🦕.txt")}"`), "小明 € 🦕.txt");
  assertEquals(remoteName('attachment; filename="\xe9t\xe9.txt"'), "été.txt");
  assertEquals(remoteName('attachment; filename="小明.txt"'), "小明.txt");
});

Deno.test("remoteName cuts folders, of Windows too", () => {
  for (
    const path of [
      "/etc/a.txt",
      "../../a.txt",
      "..\\..\\a.txt",
      "C:\\new\\a.txt",
      "C:\\\\new\\\\a.txt",
      "\\\\\\\\server\\\\a.txt",
      "x/..\\y/a.txt",
    ]
  ) {
    assertEquals(remoteName(`attachment; filename="${path}"`), "a.txt", path);
    assertEquals(remoteName(`attachment; filename=${path}`), "a.txt", path);
    const encoded = encodeURIComponent(path);
    assertEquals(remoteName(`attachment; filename*=UTF-8''${encoded}`), "a.txt", path);
  }
});

Deno.test("remoteName finds no name where there is none", () => {
  for (
    const field of [
      "",
      "attachment",
      "inline; size=5",
      "attachment; filename",
      "attachment; filename=",
      'attachment; filename=""',
      'attachment; filename="/"',
      'attachment; filename="a/"',
      'attachment; filename="a\\\\"',
      'attachment; filename="."',
      'attachment; filename=".."',
      'attachment; filename="../.. "',
      "attachment; xfilename=a.txt",
      "attachment filename=a.txt",
    ]
  ) assertEquals(remoteName(field), undefined, field);
});

Deno.test("remoteName reads back each name that is written as the RFCs say", () => {
  const name = fc.string({ unit: "grapheme", minLength: 1 })
    .filter((name) => name.trim() === name && !/[/\\]|^\.{0,2}$|^\ufeff/.test(name));
  fc.assert(fc.property(name, (name) => {
    const quoted = bytes(name).replaceAll(/["\\]/g, "\\$&");
    assertEquals(remoteName(`attachment; filename="${quoted}"`), name);
    const extended = encodeURIComponent(name).replaceAll("'", "%27");
    assertEquals(remoteName(`attachment; filename=x; filename*=UTF-8''${extended}`), name);
  }));
});

Deno.test("remoteName never gives a path, whatever comes", () => {
  const part = fc.constantFrom(
    ..."/\\.\"'%;=* \0\ne\xff",
    "filename=",
    "filename*=",
    "UTF-8''",
    "utf-16le''",
    "%2f",
    "%5c",
    "%00",
    "..",
  );
  fc.assert(
    fc.property(fc.string({ unit: part, maxLength: 30 }), (field) => {
      const name = remoteName(`attachment; filename${field}`) ?? "none";
      assert(!/[/\\]|^$|^\.\.?$/.test(name), name);
    }),
    { numRuns: 1000 },
  );
});
