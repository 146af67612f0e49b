import { SourceError } from './source.js';

export type ArffKind = 'number' | 'text' | 'nominal';

export interface ArffAttribute {
  readonly name: string;
  readonly kind: ArffKind;
  /** Of a nominal attribute, in the order declared. */
  readonly values?: readonly string[];
}

/**
 * The attributes that the lines above `@data` declare.
 * @throws SourceError naming file and line, for a line that is none of the format's or a type that cannot be read
 */
export function parseArffHeader(path: string, lines: readonly string[]): ArffAttribute[] {
  const attributes: ArffAttribute[] = [];
  for (const [index, line] of lines.entries()) {
    const text = line.trim();
    if (text === '' || text.startsWith('%') || /^@(relation|data)\b/i.test(text)) continue;
    const declared = /^@attribute\s+/i.exec(text);
    const attribute = declared && parseAttribute(text.slice(declared[0].length));
    if (typeof attribute !== 'object' || attribute === null)
      throw new SourceError(
        `${path}, line ${index + 1}: ${attribute ?? `"${text.slice(0, 60)}" is no @attribute declaration, comment (%) or @data`}.`,
      );
    if (attributes.some(({ name }) => name === attribute.name))
      throw new SourceError(`${path}, line ${index + 1}: two attributes are called "${attribute.name}"; rename one.`);
    attributes.push(attribute);
  }
  return attributes;
}

function parseAttribute(text: string): ArffAttribute | string {
  const name = /^'((?:\\.|[^'\\])*)'|^"((?:\\.|[^"\\])*)"|^[^\s{]+/.exec(text);
  if (!name) return 'the attribute has no name';
  const quoted = name[1] ?? name[2];
  const type = text.slice(name[0].length).trim();
  const attribute = { name: quoted === undefined ? name[0] : unescaped(quoted) };
  if (/^(numeric|real|integer)\b/i.test(type)) return { ...attribute, kind: 'number' };
  if (/^(string|date)\b/i.test(type)) return { ...attribute, kind: 'text' };
  if (!type.startsWith('{'))
    return `the attribute "${attribute.name}" has the type "${type.slice(0, 40)}"; what can be read is numeric, real, integer, string, date and { value, … }`;
  const end = type.lastIndexOf('}');
  const values = end < 0 ? undefined : cellsOf(type.slice(1, end));
  if (!values) return `the values of the attribute "${attribute.name}" do not end with "}"`;
  return { ...attribute, kind: 'nominal', values: [...new Set(values.map((value) => value.text))] };
}

export interface ArffCell {
  readonly text: string;
  readonly quoted: boolean;
}

const CELL = /\s*(?:'((?:\\.|[^'\\])*)'|"((?:\\.|[^"\\])*)"|([^,'"][^,]*|))\s*(,|$)/sy;

/** Cells between commas, trimmed; quoted ones (`'` or `"`) with their escapes resolved. Undefined where quotes do not match. */
export function cellsOf(text: string): ArffCell[] | undefined {
  const cells: ArffCell[] = [];
  CELL.lastIndex = 0;
  for (;;) {
    const match = CELL.exec(text);
    if (!match) return undefined;
    const [, single, double, plain, end] = match;
    const quoted = single ?? double;
    cells.push(
      quoted === undefined ? { text: plain!.trim(), quoted: false } : { text: unescaped(quoted), quoted: true },
    );
    if (end === '') return cells;
  }
}

const ESCAPES: Record<string, string> = { n: '\n', r: '\r', t: '\t' };
const unescaped = (text: string) => (text.includes('\\') ? text.replace(/\\(.)/gs, (_, c) => ESCAPES[c] ?? c) : text);
