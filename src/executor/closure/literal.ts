import { type Analysis, analyse } from './free-variables.js';
import { parseTolerantly } from './script.js';

/** How the text of a function becomes an expression: as it stands, or as the one member of an object literal. */
export type Form = 'expression' | 'method' | 'get' | 'set';

/** A function's text, ready to be evaluated elsewhere, and what it needs there. Independent of captured values. */
export interface Literal {
  readonly form: Form;
  readonly isClass: boolean;
  readonly text: string;
  readonly analysis: Analysis;
  /** For a class: the free name that stands for its superclass, whose value is the class's prototype. */
  readonly heritage?: string;
}

/** Names that stand in a literal's text for what only the original place could say. As long as what they replace. */
export const DYNAMIC_IMPORT = '$imprt';
export const IMPORT_META = '$importMeta';
const HERITAGE = '$S';

const EXPRESSION = '({$(){return(';
const MEMBER = '({$(){return({';

/** @throws SyntaxError for text that is no function on its own (`#private` methods, `[native code]`). */
export function parseLiteral(text: string): Literal {
  let literal = read(text);
  const edits: [start: number, end: number, replacement: string][] = [];
  const { node, offset } = literal;
  if (literal.form !== 'expression' && node.computed) edits.push([node.key.start, node.key.end, '0']);
  const superClass = literal.isClass ? node.superClass : undefined;
  const complex = superClass && superClass.type !== 'Identifier' && superClass.type !== 'Literal';
  if (complex) edits.push([superClass.start, superClass.end, HERITAGE]);
  for (const start of literal.analysis.dynamicImports) edits.push([start, start + 6, DYNAMIC_IMPORT]);
  for (const start of literal.analysis.importMetas) edits.push([start, start + 11, IMPORT_META]);
  if (edits.length > 0) {
    let edited = text;
    for (const [start, end, replacement] of edits.sort((a, b) => b[0] - a[0]))
      edited = edited.slice(0, start - offset) + replacement.padEnd(end - start) + edited.slice(end - offset);
    literal = read(edited);
  }
  const { form, isClass, analysis } = literal;
  const heritage = complex ? HERITAGE : superClass?.type === 'Identifier' ? superClass.name : undefined;
  return { form, isClass, text: literal.text, analysis: shifted(analysis, offset), heritage };
}

function read(text: string): {
  form: Form;
  isClass: boolean;
  text: string;
  node: any;
  offset: number;
  analysis: Analysis;
} {
  try {
    const node = returned(`${EXPRESSION}${text}\n)}})`);
    const isClass = node.type === 'ClassExpression';
    return { form: 'expression', isClass, text, node, offset: EXPRESSION.length, analysis: analyse(node) };
  } catch (error) {
    let node: any;
    try {
      node = returned(`${MEMBER}${text}\n})}})`).properties[0];
    } catch {
      throw error;
    }
    const form: Form = node.kind === 'get' || node.kind === 'set' ? node.kind : 'method';
    return { form, isClass: false, text, node, offset: MEMBER.length, analysis: analyse(node.value, true) };
  }
}

function returned(program: string): any {
  return parseTolerantly(program).body[0].expression.properties[0].value.body.body[0].argument;
}

/** Offsets from the start of the function's own text. */
function shifted(analysis: Analysis, by: number): Analysis {
  return {
    ...analysis,
    outer: new Map([...analysis.outer].map(([what, offset]) => [what, offset - by])),
  };
}
