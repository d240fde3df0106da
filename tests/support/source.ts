/**
 * What a source file is made of, as Deno's linter parses it.
 *
 * @module
 */

/** A node of the syntax tree: its type, where it is, and its parts. */
interface Node {
  type: string;
  range: [start: number, end: number];
  // deno-lint-ignore no-explicit-any
  [part: string]: any;
}

/** A function or a method. */
export interface FunctionInfo {
  /** Its name, `?` if it has none. */
  name: string;
  /** How many lines it has. */
  lines: number;
  /** How many parameters. */
  parameters: number;
}

/** A source file. */
export interface Source {
  /** Where it is, below the project's folder. */
  path: string;
  /** How many lines it has. */
  lines: number;
  /** Its first documentation comment. */
  doc: string;
  /** What it imports at once, types aside. */
  staticImports: string[];
  /** All that it imports, at once or when it is needed. */
  imports: string[];
  /** The names and texts in it. */
  names: string[];
  /** Names that are no property's, as `Deno`. */
  globalNames: string[];
  /** What it uses of `Deno`: `connect`. */
  denoNames: string[];
  /** Its banners. */
  sections: { title: string; line: number }[];
  /** Where a definition at the top level uses another as a value. */
  references: { name: string; from: number; to: number }[];
  /** Its functions and methods. */
  functions: FunctionInfo[];
}

/** Deno's nodes have their parts as getters of their class. */
const SKIPPED = new Set(["comments", "parent", "range", "loc", "type", "constructor"]);

/** The names of the parts that nodes of a type have. */
const PARTS = new Map<string, string[]>();

function partNames(node: Node): string[] {
  const names = new Set<string>(Object.keys(node));
  for (let proto = Object.getPrototypeOf(node); proto && proto !== Object.prototype;) {
    for (const name of Object.getOwnPropertyNames(proto)) names.add(name);
    proto = Object.getPrototypeOf(proto);
  }
  return [...names].filter((name) => !SKIPPED.has(name));
}

/** The parts of each node: a getter makes them anew each time, and trees are walked twice. */
const FOUND = new WeakMap<Node, Node[]>();

function partsOf(node: Node): Node[] {
  return FOUND.getOrInsertComputed(node, () => {
    const names = PARTS.getOrInsertComputed(node.type, () => partNames(node));
    return names.flatMap((name) => node[name])
      .filter((part): part is Node => typeof part?.type === "string" && Array.isArray(part.range));
  });
}

/** All nodes of a tree; `enter` says which are entered. */
function walk(root: Node, enter: (node: Node) => boolean = () => true): Node[] {
  const nodes: Node[] = [];
  const visit = (node: Node) => {
    nodes.push(node);
    if (enter(node)) partsOf(node).forEach(visit);
  };
  visit(root);
  return nodes;
}

/** Whether it is a type, which is nothing when the program runs. */
function isType({ type }: Node): boolean {
  return /^TS(Type|Interface|.*Keyword$)/.test(type);
}

/** Whether an identifier is a name of a property, which has nothing to do with others like it. */
function isProperty(node: Node): boolean {
  const { parent } = node;
  if (parent.type === "MemberExpression") return parent.property === node && !parent.computed;
  if (parent.type === "Property") {
    return parent.key === node && !parent.computed && !parent.shorthand;
  }
  return /^(MethodDefinition|PropertyDefinition|ImportSpecifier|TS.*)$/.test(parent.type) &&
    parent.key === node;
}

function parse(path: string, text: string): Node {
  let program: Node | undefined;
  const rule: Deno.lint.Rule = {
    create: () => ({ Program: (node) => void (program = node as unknown as Node) }),
  };
  Deno.lint.runPlugin({ name: "layout", rules: { tree: rule } }, path, text);
  return program!;
}

/** Gives the number of the line in which a place of `text` is. */
function lineCounter(text: string): (at: number) => number {
  const lines = new Uint32Array(text.length + 1);
  for (let at = 0, line = 1; at <= text.length; at++) {
    lines[at] = line;
    if (text[at] === "\n") line++;
  }
  return (at) => lines[at]!;
}

const FUNCTIONS = ["FunctionDeclaration", "FunctionExpression", "ArrowFunctionExpression"];

/** Reads a source file. */
export function parseSource(path: string, text: string): Source {
  const program = parse(path, text);
  const lineOf = lineCounter(text);
  const nodes = walk(program);
  const values = nodes.filter((node) => node.type === "Identifier" && !isProperty(node));
  const statics = nodes.filter(({ type, importKind, exportKind }) =>
    /^(ImportDeclaration|ExportNamedDeclaration|ExportAllDeclaration)$/.test(type) &&
    importKind !== "type" && exportKind !== "type"
  );
  const staticImports = statics.flatMap(({ source }) => source ? [source.value as string] : []);
  const dynamic = nodes.filter(({ type }) => type === "ImportExpression")
    .map(({ source }) => source.value as string);
  return {
    path,
    lines: text.trimEnd().split("\n").length,
    doc: text.slice(0, text.indexOf("*/")),
    staticImports,
    imports: [...staticImports, ...dynamic],
    names: nodes.flatMap(({ type, name, value }) =>
      type === "Identifier" ? [name as string] : typeof value === "string" ? [value] : []
    ),
    globalNames: values.map(({ name }) => name as string),
    denoNames: nodes.filter(({ type, object }) =>
      type === "MemberExpression" && object.type === "Identifier" && object.name === "Deno"
    ).map(({ property }) => property.name as string),
    sections: [...text.matchAll(/^\/\/ --- (.*?) -+$/gm)].map(({ 1: title = "", index }) => ({
      title,
      line: lineOf(index),
    })),
    references: [...referencesIn(program, lineOf)],
    functions: nodes.filter(({ type }) => FUNCTIONS.includes(type)).map((node) => ({
      name: node.id?.name ?? node.parent.key?.name ?? "?",
      lines: lineOf(node.range[1]) - lineOf(node.range[0]) + 1,
      parameters: (node.params as Node[]).length,
    })),
  };
}

function* referencesIn(program: Node, lineOf: (at: number) => number): Generator<
  { name: string; from: number; to: number }
> {
  const defined = new Map<string, number>();
  for (const statement of program["body"] as Node[]) {
    const { declaration } = statement, inner = (declaration as Node | null) ?? statement;
    if (isType(inner)) continue;
    const names = inner["declarations"]?.map(({ id }: Node) => id.name) ?? [inner["id"]?.name];
    for (const name of names) if (name) defined.set(name, lineOf(inner.range[0]));
  }
  for (const node of walk(program, (node) => !isType(node))) {
    const to = node.type === "Identifier" && !isProperty(node) && defined.get(node["name"]);
    if (to) yield { name: node["name"], from: lineOf(node.range[0]), to };
  }
}
