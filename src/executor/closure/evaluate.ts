import { addressed, factoryOf, type Make, madeBy, share, sharedOf } from './factories.js';
import type { AnyFunction } from './function-type.js';
import type { Code } from './graph.js';
import { keepOpenings, Openings } from './openings.js';

/** Evaluates text in a scope of its own that several functions share. */
export interface Evaluator {
  run(text: string): any;
  set(values: readonly unknown[]): void;
}

// Called under another name, `eval` is indirect: the text sees globals alone.
const evaluateGlobally: (text: string) => any = eval;

/** Variables that several shipped functions share. */
export function openCell(strict: boolean, names: readonly string[]): Evaluator {
  const list = names.join(', ');
  return evaluateGlobally(
    `(() => { ${directive(strict)} let ${list}; return { run: ($) => eval($), set: ($) => { [${list}] = $; } }; })()`,
  );
}

/**
 * A function from its text and captured values. Values are parameters of a function around the text, so V8 may
 * treat them as constants; those in slots `late` are variables, assigned by `set` once they exist.
 * @param stateless an equal function made before may be this one
 * The text keeps its place: line and column of `url`, or a source map, so that stack traces name the original file.
 */
export function evaluate(
  code: Code,
  late: readonly number[],
  cell: Evaluator | undefined,
  stateless: boolean,
): { fn: AnyFunction; set: (values: readonly unknown[]) => void } {
  const own = code.names.map((_, slot) => slot).filter((slot) => !code.shared.includes(slot));
  const parameters = own.filter((slot) => !late.includes(slot));
  const variables = own.filter((slot) => late.includes(slot));
  const name = (slot: number): string => code.names[slot]!;
  const list = variables.map(name).join(', ');
  const head = [
    `(function (${parameters.map(name).join(', ')}) { ${directive(code.strict)}`,
    list && `let ${list};`,
    `return [($) => { ${list && `[${list}] = $;`} }, ${code.form === 'expression' ? '(' : '({'}`,
  ].join(' ');
  const { url, map } = code;
  const around = (inner: string) => `${head}${place(code)}${inner}\n${code.form === 'expression' ? ')' : '})'}]; })`;
  const text = around(code.text);
  const captured = parameters.map((slot) => code.values[slot]);
  if (cell) return made(code, (cell.run(addressed(text, url, map)) as Make)(...captured));
  const factory = factoryOf(text, url, map);
  const again = (inner: string) => {
    const other = factoryOf(around(inner), url, map);
    const { fn } = made(code, other.make(...captured));
    madeBy(other, fn);
    return fn;
  };
  const known = stateless ? sharedOf(factory, code.name, captured) : undefined;
  if (known) return { fn: known, set: () => {} };
  const result = made(code, factory.make(...captured));
  madeBy(factory, result.fn);
  if (code.stateless && late.length === 0) keepOpenings(result.fn, new Openings(code.text, again));
  if (stateless) share(factory, result.fn, captured);
  return result;
}

function made(
  code: Code,
  [set, value]: ReturnType<Make>,
): { fn: AnyFunction; set: (values: readonly unknown[]) => void } {
  const fn = code.form === 'expression' ? value : member(value, code.form);
  if (fn.name !== code.name) Object.defineProperty(fn, 'name', { value: code.name, configurable: true });
  return { fn, set };
}

function member(object: object, form: Code['form']): AnyFunction {
  const [property] = Object.values(Object.getOwnPropertyDescriptors(object));
  return form === 'method' ? property!.value : property![form as 'get' | 'set']!;
}

function directive(strict: boolean): string {
  return strict ? "'use strict';" : '';
}

/** Without a source map the text is moved down and right to where it stood. */
function place({ map, line, column }: Code): string {
  if (map) return '\n';
  return line === 0 ? '' : '\n'.repeat(line) + ' '.repeat(column);
}
