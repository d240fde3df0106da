/**
 * Lists of checksums in each form that tools print, and which line of one is a file's.
 *
 * @module
 */
import { assertEquals, assertMatch, assertThrows } from "jsr:@std/assert@^1.0.0";
import {
  type Checksum,
  checksumFor,
  type ListedChecksum,
  parseChecksums,
  parseSha256,
  RunningSum,
} from "../../protocol/checksums.ts";
import { EXIT, type Source, TrioError } from "../../mod.ts";
import { fc } from "../support/fuzz.ts";

const A = "a".repeat(64), B = "b".repeat(64), LONG = "c".repeat(128);

/** The sums of a list as `NAME=DIGIT`, to read them at a glance. */
function short(list: ListedChecksum[]): string[] {
  return list.map(({ name, hex }) => `${name}=${hex[0]}`);
}

function refused(fn: () => unknown): string {
  const error = assertThrows(fn, TrioError);
  assertEquals(error.code, EXIT.checksum);
  return error.message;
}

Deno.test("parseChecksums reads each form of a line", () => {
  for (
    const line of [
      `${A}  big.iso`,
      `${A} *big.iso`,
      `${A} big.iso`,
      `${A}\tbig.iso`,
      `${A}     big.iso`,
      `${A.toUpperCase()}  big.iso`,
      ` ${A}  big.iso \r`,
      `SHA256 (big.iso) = ${A}`,
      `SHA256(big.iso)= ${A}`,
      `SHA2-256(big.iso)= ${A}`,
      `\ufeff${A}  big.iso`,
    ]
  ) {
    const sum = { algorithm: "SHA-256", hex: A, name: "big.iso" } as const;
    assertEquals(parseChecksums(`${line}\n`), [sum], line);
  }
  const sum = { algorithm: "SHA-512", hex: LONG, name: "big.iso" } as const;
  assertEquals(parseChecksums(`${LONG}  big.iso`), [sum]);
  assertEquals(parseChecksums(`SHA512 (big.iso) = ${LONG}`), [sum]);
});

Deno.test("parseChecksums reads names with spaces, stars, brackets and escapes as they are", () => {
  assertEquals(short(parseChecksums(`${A}  a b  c.iso`)), ["a b  c.iso=a"]);
  assertEquals(short(parseChecksums(`${A}  *a`)), ["*a=a"]);
  assertEquals(short(parseChecksums(`${A} **a`)), ["*a=a"]);
  assertEquals(short(parseChecksums(`SHA256 (a (1) = b) = ${A}`)), ["a (1) = b=a"]);
  assertEquals(short(parseChecksums(`\\${A}  a\\\\b\\nc\\rd\\e`)), ["a\\b\nc\rd\\e=a"]);
  assertEquals(short(parseChecksums(`\\SHA256 (a\\nb) = ${A}`)), ["a\nb=a"]);
  assertEquals(short(parseChecksums(`${A}  a\\nb`)), ["a\\nb=a"]);
  assertEquals(short(parseChecksums(`${A}  小明.iso`)), ["小明.iso=a"]);
});

Deno.test("parseChecksums passes over what is no sum", () => {
  const text = `-----BEGIN PGP SIGNED MESSAGE-----\r
Hash: SHA256\r
\r
# big.iso: 2214096896 bytes\r
MD5 (big.iso) = ${"a".repeat(32)}\r
SHA1 (big.iso) = ${"a".repeat(40)}\r
BLAKE2b (big.iso) = ${LONG}\r
SHA256 (big.iso) = ${A}\r
SHA256 (short.iso) = ${A.slice(1)}\r
${A}${A.slice(1)}  odd.iso\r
-----BEGIN PGP SIGNATURE-----\r
`;
  assertEquals(short(parseChecksums(text)), ["big.iso=a"]);
});

Deno.test("parseChecksums says that a page or an empty file has no sum", () => {
  for (
    const text of ["", "\n\n", "# nothing", "<!DOCTYPE html><title>404</title>", "d41d8cd9  x"]
  ) {
    assertMatch(
      refused(() => parseChecksums(text)),
      /^no SHA-256 and no SHA-512 sum is in the list$/,
    );
  }
});

Deno.test("checksumFor gives the sum of a list that has one without name", () => {
  const sum: Checksum = { algorithm: "SHA-256", hex: A };
  assertEquals(checksumFor(parseChecksums(A), "x.iso"), sum);
  assertEquals(checksumFor(parseChecksums(`\r\n${A.toUpperCase()} \r\n`), "x.iso"), sum);
  assertEquals(checksumFor(parseChecksums(`${A}  -\n`), "x.iso"), sum);
  refused(() => checksumFor(parseChecksums(`${A}\n${B}\n`), "x.iso"));
});

Deno.test("checksumFor takes the line that fits a path best", () => {
  const listed = (path: string, ...names: string[]) => {
    const lines = names.map((name, at) => `${at.toString(16).repeat(64)}  ${name}`);
    return names[Number(`0x${checksumFor(parseChecksums(lines.join("\n")), path).hex[0]}`)];
  };
  assertEquals(listed("a.iso", "b.iso", "a.iso"), "a.iso");
  assertEquals(listed("a.iso", "old/a.iso", "a.iso"), "a.iso");
  assertEquals(listed("a.iso", "old/a.iso", "./a.iso"), "./a.iso");
  assertEquals(listed("a.iso", "b.iso", "/home/me/a.iso"), "/home/me/a.iso");
  assertEquals(listed("a.iso", "b.iso", "C:\\out\\a.iso"), "C:\\out\\a.iso");
  assertEquals(listed("/pub/arm/a.iso", "arm/a.iso", "x86/a.iso"), "arm/a.iso");
  assertEquals(listed("/pub/arm/a.iso", "x86/a.iso", "a.iso"), "a.iso");
  assertEquals(listed("/pub/arm/a.iso", "a.iso", "v1/arm/a.iso"), "v1/arm/a.iso");
  assertEquals(listed("downloads/a.iso", "arm/a.iso"), "arm/a.iso");
});

Deno.test("checksumFor looks for other names of the file where its own is not in the list", () => {
  const list = parseChecksums(`${A}  pub/arm/a.iso\n${B}  b.iso\n`);
  assertEquals(checksumFor(list, "mine", "/pub/arm/a.iso").hex, A);
  assertEquals(checksumFor(list, "b.iso", "/pub/arm/a.iso").hex, B);
  assertMatch(refused(() => checksumFor(list, "mine", "c.iso")), /^no sum for mine is/);
});

Deno.test("checksumFor takes SHA-512 where a list has both", () => {
  const list = parseChecksums(`${A}  x\n${LONG}  x\n`);
  assertEquals(checksumFor(list, "x"), { algorithm: "SHA-512", hex: LONG });
});

Deno.test("checksumFor refuses different sums for a name, not the same one twice", () => {
  assertEquals(checksumFor(parseChecksums(`${A}  x\n${A} *x\n`), "x").hex, A);
  assertEquals(checksumFor(parseChecksums(`${A}  p/x\n${A} *q/x\n`), "x").hex, A);
  for (const text of [`${A}  x\n${B}  x\n`, `${A}  p/x\n${B}  q/x\n`]) {
    assertEquals(
      refused(() => checksumFor(parseChecksums(text), "x")),
      "different sums for x are in the list",
    );
  }
});

Deno.test("checksumFor says which names a list has instead", () => {
  const text = ["a", "b", "c\x1b", "d", "e"].map((name) => `${A}  ${name}\n`).join("");
  assertEquals(
    refused(() => checksumFor(parseChecksums(text), "/pub/big.iso")),
    "no sum for big.iso is in the list (it has a, b, c\\x1b and 2 more)",
  );
  for (const path of ["", "/", ".", "A", "aa"]) {
    assertMatch(refused(() => checksumFor(parseChecksums(`${A}  a\n`), path)), /it has a\)$/);
  }
});

Deno.test({
  name: "parseChecksums reads what sha256sum and sha512sum print of any name",
  ignore: Deno.build.os !== "linux", // elsewhere they are other programs, or other names
  async fn() {
    const folder = await Deno.makeTempDir();
    const names = fc.string({ unit: fc.constantFrom(..."ab*()=\\ \n\r.é") })
      .filter((name) => name.trim() === name && !/^\.*$/.test(name));
    const modes = fc.constantFrom("--tag", "--binary", "--text");
    const algorithms = fc.constantFrom("SHA-256", "SHA-512");
    await fc.assert(
      fc.asyncProperty(names, algorithms, modes, async (name, algorithm, mode) => {
        const file = `${folder}/${name}`, bytes = new TextEncoder().encode(name);
        await Deno.writeFile(file, bytes);
        const program = new Deno.Command(`${algorithm.replace("-", "").toLowerCase()}sum`, {
          args: [mode, file],
        });
        const printed = new TextDecoder().decode((await program.output()).stdout);
        const hex = new Uint8Array(await crypto.subtle.digest(algorithm, bytes)).toHex();
        assertEquals<unknown>(parseChecksums(printed), [{ algorithm, hex, name: file }]);
      }),
      { numRuns: 20 },
    );
    await Deno.remove(folder, { recursive: true });
  },
});

Deno.test("parseSha256 takes 64 digits in either case and nothing else", () => {
  assertEquals(parseSha256(` ${A.toUpperCase()}\n`), { algorithm: "SHA-256", hex: A });
  for (const text of ["", A.slice(1), `${A}0`, A.replace("a", "g"), LONG]) {
    const error = assertThrows(() => parseSha256(text), TrioError);
    assertEquals(error.code, EXIT.usage);
    assertMatch(error.message, /^a SHA-256 has 64 hex digits, not \d+ (digits|letters)$/);
  }
});

/** Gives the bytes of a text, two at a time. */
function inPairs(text: string): Source {
  const pairs = text.match(/..?/gs) ?? [];
  return {
    read(p) {
      const pair = pairs.shift();
      return Promise.resolve(
        pair === undefined ? null : new TextEncoder().encodeInto(pair, p).written,
      );
    },
  };
}

Deno.test("RunningSum adds up so many bytes of what is there, and what comes behind them", async () => {
  const bytes = await crypto.subtle.digest("SHA-256", new TextEncoder().encode("abcdef"));
  const sum = new RunningSum({ algorithm: "SHA-256", hex: new Uint8Array(bytes).toHex() });
  for (const [there, size] of [["", 0], ["abc", 3], ["abcdefghi", 5], ["abcdef", 6]] as const) {
    await sum.start(inPairs(there), size); // whatever was added before is forgotten
    sum.add(new TextEncoder().encode("abcdef".slice(size)));
    sum.check();
  }
  await sum.start();
  sum.add(new TextEncoder().encode("abcdeF"));
  assertMatch(refused(() => sum.check()), /^the SHA-256 is [\da-f]{64}, not bef57ec7/);
});
