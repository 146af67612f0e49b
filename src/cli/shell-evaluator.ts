import { createRequire, isBuiltin } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { constants, Script } from 'node:vm';
import { type Message, stop, transformSync } from 'esbuild';
import { resolveFrom } from '../executor/closure/modules.js';
import { SourceMap } from '../executor/closure/source-map.js';
import { type Rewritten, rewrite } from './shell-rewrite.js';

/** An input that cannot be run; the message says where and why. */
export class InputError extends SyntaxError {
  override name = 'SyntaxError';
}

/** One that goes on in the next line. */
export class IncompleteInput extends InputError {}

/** Something that can be run; checked already. */
export interface PreparedInput {
  readonly script: Script;
  readonly filename: string;
  /** What it declares. */
  readonly names: readonly string[];
}

/**
 * Runs inputs of TypeScript one after the other in the global scope, where the closures that they make are found. What an
 * input declares is there for the next ones.
 */
export class Evaluator {
  readonly #declared = new Set<string>();
  #inputs = 0;
  #show: (value: unknown) => void = () => {};

  /** @param globals to be seen by all inputs @param engine URL from which `sheaf` is imported */
  constructor(
    globals: Readonly<Record<string, unknown>>,
    readonly engine: string,
  ) {
    const require = createRequire(join(process.cwd(), 'noop.js'));
    for (const [name, value] of Object.entries({ require, ...globals })) define(name, value, true);
    const load = (specifier: string, options?: ImportCallOptions) => this.#import(specifier, options);
    define('$sheaf', { show: (value: unknown) => this.#show(value), import: load, member }, false);
  }

  /** @throws IncompleteInput when lines are missing, InputError with line and column for what can never be run */
  prepare(input: string): PreparedInput {
    const { names, script } = rewritten(javaScriptOf(input));
    // A path in the working directory: `import()` starts from there, and errors say `shell-3:1`.
    const filename = join(process.cwd(), `shell-${++this.#inputs}`);
    return { script: compiled(script, filename), filename, names };
  }

  /** What an import statement means in the working directory, and what `sheaf` is everywhere. */
  #import(specifier: string, options?: ImportCallOptions): Promise<unknown> {
    if (specifier === 'sheaf') return import(this.engine);
    if (isBuiltin(specifier) || URL.canParse(specifier)) return import(specifier, options);
    const here = pathToFileURL(join(process.cwd(), 'noop.js')).href;
    const url = /^\.{0,2}\//.test(specifier) ? new URL(specifier, here) : pathToFileURL(resolveFrom(specifier, here));
    return import(url.href, options);
  }

  /**
   * @param show told the value of each expression statement
   * @param interruptible whether Ctrl-C ends what runs synchronously (the terminal must not be in raw mode)
   */
  async run(
    { script, filename, names }: PreparedInput,
    show: (value: unknown) => void,
    interruptible = false,
  ): Promise<void> {
    const fresh = names.filter((name) => !this.#declared.has(name));
    if (fresh.length > 0) compiled(`let ${fresh.join(', ')};`, filename).runInThisContext();
    for (const name of fresh) this.#declared.add(name);
    this.#show = show;
    await script.runInThisContext({ breakOnSigint: interruptible });
  }
}

/** Node's own loader in scripts is still called experimental by Node 20. */
function compiled(code: string, filename: string): Script {
  const { emitWarning } = process;
  process.emitWarning = () => {};
  try {
    return new Script(code, { filename, importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER });
  } finally {
    process.emitWarning = emitWarning;
  }
}

function define(name: string, value: unknown, enumerable: boolean): void {
  Object.defineProperty(globalThis, name, { value, enumerable, writable: true, configurable: true });
}

/** As an import statement has it: an export that is missing is an error. */
function member(module: any, name: string, specifier: string): unknown {
  if (name in module) return module[name];
  throw new SyntaxError(`the module '${specifier}' has no export named '${name}'`);
}

/** `{ a: 1 }` is an object where it can be one, as in other shells. */
function javaScriptOf(input: string): string {
  if (/^\s*\{/.test(input) && !/;\s*$/.test(input)) {
    try {
      return stripped(`(${input}\n)`);
    } catch {
      // Then it is a block.
    }
  }
  return stripped(input);
}

function rewritten(code: string): Rewritten {
  try {
    return rewrite(code);
  } catch (error) {
    throw new InputError((error as Error).message);
  }
}

function transformed(input: string, again = true): string {
  try {
    const { code, map } = transformSync(input, {
      loader: 'ts',
      format: 'esm',
      target: 'node20',
      minifyWhitespace: true,
      sourcemap: 'external',
      logLevel: 'silent',
      tsconfigRaw: { compilerOptions: { verbatimModuleSyntax: true } },
    });
    return onOwnLines(code, map);
  } catch (error) {
    // Ctrl-C on a terminal reaches esbuild's process too, unless it is read as a key.
    if ('errors' in (error as object) || !again) throw error;
    void stop();
    return transformed(input, false);
  }
}

function stripped(input: string): string {
  try {
    return transformed(input);
  } catch (error) {
    const [message] = (error as { errors?: Message[] }).errors ?? [];
    if (!message) throw error;
    const { text, location } = message;
    // A template literal goes on after the input's last line break; a string ends before it.
    const beyond = text === 'Unterminated string literal' && location?.lineText === '';
    if (beyond || UNFINISHED.test(text)) throw new IncompleteInput(text);
    const place = location ? `${location.line}:${location.column + 1}: ` : '';
    const line = location ? `\n${location.lineText}\n${' '.repeat(location.column)}^` : '';
    throw new InputError(`${place}${text}${line}`);
  }
}

/** Puts the tokens of code that has hardly a line break back on the lines where they were written, so that errors name those. */
function onOwnLines(code: string, map: string): string {
  const { lines } = SourceMap.read(`data:application/json,${encodeURIComponent(map)}`, 'file:///')!;
  let text = '';
  let at = 0;
  for (const [index, generated] of code.split('\n').entries()) {
    if (index > 0) {
      text += '\n';
      at++;
    }
    let from = 0;
    for (const [column, , line] of lines[index] ?? []) {
      if (line <= at || NO_BREAK_AFTER.test(generated.slice(Math.max(0, column - 10), column))) continue;
      text += generated.slice(from, column) + '\n'.repeat(line - at);
      from = column;
      at = line;
    }
    text += generated.slice(from);
  }
  return text;
}

/** A line break there would end the statement, or make another one of it. */
const NO_BREAK_AFTER = /\b(return|throw|break|continue|yield|async|get|set|static)\s*$/;

const UNFINISHED = /end of file|to terminate multi-line comment/;
