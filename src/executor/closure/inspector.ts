import { Session } from 'node:inspector';
import type { AnyFunction } from './function-type.js';

/** What V8 knows of a function and the language does not tell. */
export interface Inspected {
  /** Undefined for native and bound functions. */
  readonly location?: { readonly scriptId: string; readonly line: number; readonly column: number };
  /** Captured variables by scope, innermost first; the last is the global object of the function's realm. */
  readonly scopes: readonly Scope[];
  /** Present on bound functions. */
  readonly bound?: { readonly target: AnyFunction; readonly receiver: unknown; readonly args: readonly unknown[] };
}

export interface Scope {
  /** As V8 describes it: `Closure (name)`, `Closure`, `Block`, `Module`, `Script`, `Global` … */
  readonly description: string;
  readonly variables: Readonly<Record<string, unknown>>;
}

export interface ScriptText {
  readonly url: string;
  readonly source: string;
  readonly sourceMapUrl: string;
}

/** As V8 lists it; the text is fetched when it is wanted. */
interface Listed extends Omit<ScriptText, 'source'> {
  source?: string;
}

/** The place on the global object through which values go into and come out of the inspector. */
const WINDOW = Symbol.for('sheaf.inspector');
const HERE = "globalThis[Symbol.for('sheaf.inspector')]";

interface Window {
  subject: unknown;
  take(values: unknown[]): void;
}

let session: Session | undefined;
const scripts = new Map<string, Listed>();

/**
 * V8's own inspector, in this process and synchronous: 0.15 ms a function. The session stays connected (it costs nothing);
 * the debugger domain is switched on only while the text of a script not yet seen is fetched.
 */
function post(method: string, params: object = {}): any {
  if (session === undefined) {
    session = new Session();
    session.connect();
  }
  let answer: any;
  let failure: Error | null = null;
  session.post(method, params, (error, result) => {
    failure = error;
    answer = result;
  });
  if (failure) throw new Error(`V8 inspector, ${method}: ${(failure as Error).message ?? JSON.stringify(failure)}`);
  return answer;
}

export function inspect(fn: AnyFunction): Inspected {
  let taken: unknown[] = [];
  const window: Window = {
    subject: fn,
    take(values) {
      taken = values;
    },
  };
  Object.defineProperty(globalThis, WINDOW, { value: window, configurable: true, enumerable: false });
  try {
    const subject = post('Runtime.evaluate', { expression: `${HERE}.subject`, objectGroup: 'sheaf' }).result;
    const fetch = (ids: readonly string[]): unknown[] => {
      post('Runtime.callFunctionOn', {
        objectId: subject.objectId,
        functionDeclaration: `function (...values) { ${HERE}.take(values) }`,
        arguments: ids.map((objectId) => ({ objectId })),
      });
      return taken;
    };
    const internal = new Map<string, any>(
      post('Runtime.getProperties', { objectId: subject.objectId, ownProperties: true }).internalProperties.map(
        (property: any) => [property.name, property.value],
      ),
    );
    const target = internal.get('[[TargetFunction]]');
    if (target) return { scopes: [], bound: readBound(target, internal, fetch) };
    const location = internal.get('[[FunctionLocation]]')?.value;
    const list = internal.get('[[Scopes]]');
    return {
      location: location && { scriptId: location.scriptId, line: location.lineNumber, column: location.columnNumber },
      scopes: list ? readScopes(list.objectId, fetch) : [],
    };
  } finally {
    post('Runtime.releaseObjectGroup', { objectGroup: 'sheaf' });
    Reflect.deleteProperty(globalThis, WINDOW);
  }
}

function readScopes(list: string, fetch: (ids: readonly string[]) => unknown[]): Scope[] {
  const entries = post('Runtime.getProperties', { objectId: list, ownProperties: true }).result;
  const scopes = fetch(entries.map((entry: any) => entry.value.objectId)) as { description: string; object: any }[];
  return scopes.map(({ description, object }) => ({ description, variables: object }));
}

function readBound(
  target: any,
  internal: Map<string, any>,
  fetch: (ids: readonly string[]) => unknown[],
): Inspected['bound'] {
  const list = internal.get('[[BoundArgs]]');
  const receiver = internal.get('[[BoundThis]]');
  const [targetFunction, args] = fetch([target.objectId, list.objectId]) as [AnyFunction, unknown[]];
  return {
    target: targetFunction,
    receiver: receiver.objectId ? fetch([receiver.objectId])[0] : primitive(receiver),
    args: [...args],
  };
}

/** A primitive as the protocol writes it. */
function primitive(remote: { type: string; subtype?: string; value?: unknown; unserializableValue?: string }): unknown {
  const { unserializableValue: text } = remote;
  if (text === undefined) return remote.subtype === 'null' ? null : remote.value;
  return text.endsWith('n') ? BigInt(text.slice(0, -1)) : Number(text);
}

/**
 * The text of a script, as V8 compiled it, and its address. V8 lists all scripts whenever its debugger is switched on, at the price of a
 * walk through the heap (20 ms the first time, later 3 ms and more), so one listing is kept until a script is missing from it.
 */
export function scriptText(scriptId: string): ScriptText {
  const script = known(scriptId);
  if (script.source === undefined)
    withDebugger(() => {
      script.source = post('Debugger.getScriptSource', { scriptId }).scriptSource;
    });
  return script as ScriptText;
}

/** Makes a script known whose text is at hand, and so spares the listing. */
export function provideScript(scriptId: string, script: ScriptText): void {
  scripts.set(scriptId, script);
}

/** The address alone, which is all that is wanted of Node's and packages' scripts. */
export function scriptUrl(scriptId: string): string {
  return known(scriptId).url;
}

/** The id of a script that has been listed. */
export function scriptWithUrl(url: string): string | undefined {
  for (const [id, script] of scripts) if (script.url === url) return id;
  return undefined;
}

function known(scriptId: string): Listed {
  if (!scripts.has(scriptId))
    withDebugger(() => {
      const script = scripts.get(scriptId);
      if (script && !/^node:|\/node_modules\//.test(script.url))
        script.source = post('Debugger.getScriptSource', { scriptId }).scriptSource;
    });
  const script = scripts.get(scriptId);
  if (script === undefined) throw new Error(`V8 inspector: no script ${scriptId}`);
  return script;
}

function withDebugger(use: () => void): void {
  const seen = ({ params }: any): void => {
    if (!scripts.has(params.scriptId))
      scripts.set(params.scriptId, { url: params.url, sourceMapUrl: params.sourceMapURL ?? '' });
  };
  session!.on('Debugger.scriptParsed', seen);
  try {
    post('Debugger.enable');
    use();
  } finally {
    session!.off('Debugger.scriptParsed', seen);
    post('Debugger.disable');
  }
}
