/**
 * Certificates made for the run, by openssl: good ones and broken ones.
 *
 * @module
 */
import { Folder } from "./folder.ts";
import { find } from "./peers.ts";
import { run } from "./process.ts";

/** What a TLS server needs. */
export interface Chain {
  /** The PEM file with all that it sends. */
  readonly certificate: string;
  /** The PEM file with its certificate alone. */
  readonly leaf: string;
  /** The PEM file with what it sends after its certificate. */
  readonly rest?: string;
  /** The PEM file with its key. */
  readonly key: string;
}

/** The certificates of a run; disposing of them removes them. */
export interface Certificates extends AsyncDisposable {
  /** The PEM file with the CA to trust. */
  readonly ca: string;
  /** Its text, as `caCerts` takes it. */
  readonly caCerts: string[];
  /** For localhost, 127.0.0.1 and ::1. */
  readonly good: Chain;
  /** For the site of the default URL. */
  readonly sina: Chain;
  /** For another name. */
  readonly wrongName: Chain;
  /** Good until 2020. */
  readonly expired: Chain;
  /** Good, but of a CA that nobody knows. */
  readonly unknownCa: Chain;
  /** Good, but sent without the intermediate's. */
  readonly noIntermediate: Chain;
}

/** The first and the last moment of a certificate, as `YYYYMMDDHHMMSSZ`. */
type Validity = readonly [from: string, to: string];

const LONG_AGO: Validity = ["20200101000000Z", "20200201000000Z"];

const HERE = "DNS:localhost,IP:127.0.0.1,IP:::1";

/** Makes a CA, an intermediate CA, and the servers' certificates. */
export async function makeCertificates(): Promise<Certificates> {
  const made = new Folder("tls"), folder = made.path;
  await Deno.writeTextFile(`${folder}/index`, "");
  await Deno.writeTextFile(
    `${folder}/configuration`,
    `
[ca]
default_ca = run
[run]
database = ${folder}/index
new_certs_dir = ${folder}
rand_serial = yes
unique_subject = no
default_md = sha256
policy = any
copy_extensions = copy
[any]
commonName = supplied
`,
  );
  const openssl = async (...args: string[]) => {
    const { code, stderr } = await run("openssl", args, { cwd: folder });
    if (code) throw new Error(`openssl ${args.join(" ")}: ${stderr}`);
  };

  const root = (name: string) =>
    openssl("req", "-x509", ...request(name, CA), "-out", `${name}.pem`);
  const issue = async (
    name: string,
    issuer: string,
    extensions: string[],
    [from, to]: Validity,
  ) => {
    await openssl("req", ...request(name, extensions), "-out", `${name}.csr`);
    // deno-fmt-ignore
    await openssl(
      "ca", "-batch", "-notext", "-config", "configuration",
      "-cert", `${issuer}.pem`, "-keyfile", `${issuer}.key`,
      "-startdate", from, "-enddate", to,
      "-in", `${name}.csr`, "-out", `${name}.pem`,
    );
  };
  const now: Validity = [daysFromNow(-1), daysFromNow(2)];
  const chain = async (
    name: string,
    alternativeNames: string,
    issuer = "intermediate",
    validity = now,
  ): Promise<Chain> => {
    const extensions = [
      "basicConstraints=CA:FALSE", // a server's certificate is no CA's
      `subjectAltName=${alternativeNames}`,
    ];
    await issue(name, issuer, extensions, validity);
    const [leaf, rest] = [`${folder}/${name}.pem`, `${folder}/${issuer}.pem`];
    const certificate = `${folder}/${name}-chain.pem`;
    const pems = [await Deno.readTextFile(leaf), await Deno.readTextFile(rest)];
    await Deno.writeTextFile(certificate, pems.join(""));
    return { certificate, leaf, rest, key: `${folder}/${name}.key` };
  };

  await root("ca");
  await root("stranger");
  await issue("intermediate", "ca", CA, now);
  const good = await chain("good", HERE);
  return {
    ca: `${folder}/ca.pem`,
    caCerts: [await Deno.readTextFile(`${folder}/ca.pem`)],
    good,
    sina: await chain("sina", "DNS:www.sina.com.cn"),
    wrongName: await chain("wrong-name", "DNS:wrong.example"),
    expired: await chain("expired", HERE, "intermediate", LONG_AGO),
    unknownCa: await chain("unknown-ca", HERE, "stranger"),
    noIntermediate: { certificate: good.leaf, leaf: good.leaf, key: good.key },
    [Symbol.asyncDispose]: () => made[Symbol.asyncDispose](),
  };
}

const CA = [
  "basicConstraints=critical,CA:TRUE",
  "keyUsage=critical,keyCertSign",
];

/** The arguments of `openssl req` for a new key and a certificate's request. */
function request(name: string, extensions: string[]): string[] {
  // deno-fmt-ignore
  return [
    "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes",
    "-keyout", `${name}.key`, "-subj", `/CN=${name}`,
    ...extensions.flatMap((extension) => ["-addext", extension]),
  ];
}

/** A time as certificates have it, `YYYYMMDDHHMMSSZ`. */
function daysFromNow(days: number): string {
  const time = new Date(Date.now() + days * 24 * 60 * 60 * 1000);
  return time.toISOString().replace(/[-T:]|\.\d+/g, "");
}

/** Certificates that are made before the tests of a file, and removed after them. */
export function certificatesOfFile(): () => Certificates {
  let made: Certificates | undefined;
  if (find("openssl")) {
    Deno.test.beforeAll(async () => {
      made = await makeCertificates();
    });
    Deno.test.afterAll(async () => {
      await made![Symbol.asyncDispose]();
    });
  }
  return () => made!;
}
