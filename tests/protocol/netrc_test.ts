/**
 * Files in netrc form: what is read, whose it is, and errors that say the line and no secret.
 *
 * @module
 */
import { assert, assertEquals, assertThrows } from "jsr:@std/assert@^1.0.0";
import { EXIT, TrioError } from "../../mod.ts";
import { credentialsFor, parseNetrc } from "../../protocol/netrc.ts";
import { fc } from "../support/fuzz.ts";

/** `LOGIN:PASSWORD` of a host. */
function found(text: string, host = "h", login?: string): string | undefined {
  const credentials = credentialsFor(parseNetrc(text), host, login);
  return credentials && `${credentials.login}:${credentials.password}`;
}

function refused(text: string): string {
  const error = assertThrows(() => parseNetrc(text), TrioError);
  assertEquals(error.code, EXIT.usage);
  return error.message;
}

Deno.test("parseNetrc reads entries on one line or several, in any order of their words", () => {
  for (
    const text of [
      "machine h login me password secret",
      "machine h\n\tlogin me\n\tpassword secret\n",
      "machine\r\nh\r\npassword\r\nsecret\r\nlogin\r\nme\r\n",
      "\ufeffmachine h password secret login me",
      "machine h account x login me password secret account y",
      "machine a login x password y machine h login me password secret machine b login z",
      "machine h password other login me password secret",
    ]
  ) assertEquals(found(text), "me:secret", text);
  assertEquals(parseNetrc(""), []);
  assertEquals(parseNetrc("\n \r\n# nothing"), []);
});

Deno.test("parseNetrc passes over comments, but a value may begin with #", () => {
  const text = `# machine h login x password x
machine h # login x
  # password x
  login me#1 # my name
  password #se"cret#`;
  assertEquals(found(text), 'me#1:#se"cret#');
  assertEquals(found("#machine h login x\n\n#\nmachine h login me password p"), "me:p");
});

Deno.test("parseNetrc reads values in quotes with escapes, others as they are", () => {
  const value = (text: string) => found(`machine h login me password ${text}`)?.slice(3);
  assertEquals(value('"with spaces # and more"'), "with spaces # and more");
  assertEquals(value('"a\\"b\\\\c\\n\\r\\t\\x\\ y"'), 'a"b\\c\n\r\tx y');
  assertEquals(value('""'), "");
  assertEquals(value('"x"\n'), "x");
  assertEquals(value("a\\nb\"c'"), "a\\nb\"c'");
  assertEquals(value("'a"), "'a");
  assertEquals(value("pä\u00a0ß"), "pä\u00a0ß");
  assertEquals(found('machine "h" login "m e" password "machine x"'), "m e:machine x");
});

Deno.test("parseNetrc passes over macros up to an empty line", () => {
  const text = `machine a login x password x
macdef init
  cd login
  machine h login x password "x
  # default

machine h login me password p
macdef last
  quit`;
  assertEquals(found(text), "me:p");
  assertEquals(found("macdef x\n\nmachine h login me password p"), "me:p");
  assertEquals(found("macdef x\r\nput y\r\n\t \r\nmachine h login me password p"), "me:p");
  assertEquals(found("macdef"), undefined);
});

Deno.test("parseNetrc says on which line what is wrong, and shows no word of it", () => {
  const line = (text: string) =>
    /^line (\d+) of the netrc file: (.*)$/.exec(refused(text))!.slice(1);
  const keyword = "no keyword, where one should be (a value with spaces needs quotes)";
  assertEquals(line("machine h login me\npassword super secret"), ["2", keyword]);
  assertEquals(line("\n\n  Machine h"), ["3", keyword]);
  assertEquals(line("machine h\nlogin\n\n"), ["4", "nothing behind login"]);
  assertEquals(line("machine"), ["1", "nothing behind machine"]);
  assertEquals(line("\nlogin me"), ["2", "login before any machine"]);
  assertEquals(line("password secret"), ["1", "password before any machine"]);
  assertEquals(
    line('machine h\npassword "secret\n"'),
    ["2", "a quote that is not closed on its line"],
  );
  assertEquals(line('machine h password "secret\\"'), [
    "1",
    "a quote that is not closed on its line",
  ]);
  assertEquals(line('machine h password "sec"ret'), ["1", "a quote that is closed within a word"]);
});

Deno.test("credentialsFor takes the first entry of a host before the default one", () => {
  const text = `default login anonymous password guest
machine h login one password p1
machine h login two password p2
machine H.example login three password p3
machine ::1 login six password p6`;
  assertEquals(found(text, "h"), "one:p1");
  assertEquals(found(text, "h.EXAMPLE"), "three:p3");
  assertEquals(found(text, "[::1]"), "six:p6");
  assertEquals(found(text, "www.h"), "anonymous:guest");
  assertEquals(found("machine h login one password p1", "www.h"), undefined);
});

Deno.test("credentialsFor takes only the entry of a login that is given", () => {
  const text = `machine h login one password p1
machine h login two password p2
default login me password p`;
  assertEquals(found(text, "h", "two"), "two:p2");
  assertEquals(found(text, "h", "me"), "me:p");
  assertEquals(found(text, "h", "TWO"), undefined);
  assertEquals(found("machine h password p", "h", "me"), undefined);
});

Deno.test("credentialsFor gives what an entry has, and no other host's", () => {
  assertEquals(credentialsFor(parseNetrc("machine h login me"), "h"), {
    login: "me",
    password: undefined,
  });
  assertEquals(credentialsFor(parseNetrc("machine h password p"), "h"), {
    login: "",
    password: "p",
  });
  // an entry without credentials says that there are none; it is not an other's turn
  assertEquals(
    found("machine h\nmachine i login x password y\ndefault login x password y"),
    undefined,
  );
  assertEquals(found("machine i login x password y\ndefault"), undefined);
});

Deno.test("parseNetrc reads back each login and password that is written in quotes", () => {
  const quoted = (text: string) =>
    `"${text.replaceAll(/["\\]/g, "\\$&").replaceAll("\n", "\\n").replaceAll("\r", "\\r")}"`;
  const letter = fc.oneof(fc.nat(0x100), fc.nat(0xffff)).map((code) => String.fromCharCode(code));
  const value = fc.string({ unit: letter });
  fc.assert(
    fc.property(value, value, fc.constantFrom(" ", "\n", "\t\r\n"), (login, password, space) => {
      const words = [
        "machine",
        "h",
        "login",
        quoted(login),
        "password",
        quoted(password),
        "default",
      ];
      const credentials = credentialsFor(parseNetrc(words.join(space)), "h");
      assertEquals(credentials, { login, password });
    }),
  );
});

Deno.test("parseNetrc either reads a text or says its line, whatever it is", () => {
  const word = fc.constantFrom(
    "machine ",
    "default\n",
    "login ",
    "password ",
    "macdef x\n",
    "account ",
    ...'ab"\\# \t\r\n\0é',
  );
  fc.assert(fc.property(fc.string({ unit: word, maxLength: 30 }), (text) => {
    try {
      parseNetrc(text);
    } catch (error) {
      assert(error instanceof TrioError);
      assert(/^line \d+ of/.test(error.message));
    }
  }));
});
