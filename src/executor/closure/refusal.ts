import { types } from 'node:util';
import { DRIVER_ONLY } from '../../protocol/driver-only.js';
import type { Refusal } from './error.js';
import type { AnyFunction } from './function-type.js';
import { globalPath } from './globals.js';
import { inspect, scriptUrl } from './inspector.js';
import { parseTolerantly } from './script.js';

const OPEN_INSIDE = 'open it inside the function, once a partition (mapPartitions)';

/** Built-in classes whose instances are plain state, which a copy has too. */
const COPYABLE = new Set(
  [
    'Object Function Array Map Set Date RegExp ArrayBuffer Boolean Number String BigInt DataView Buffer URL EventEmitter',
    'Error AggregateError EvalError RangeError ReferenceError SyntaxError TypeError URIError',
    'Int8Array Uint8Array Uint8ClampedArray Int16Array Uint16Array Int32Array Uint32Array Float32Array Float64Array',
    'BigInt64Array BigUint64Array Float16Array TypedArray',
  ]
    .join(' ')
    .split(' '),
);

/** Why an object cannot be copied to another process; undefined if it can. */
export function refusalOf(value: object): Refusal | undefined {
  if (types.isProxy(value)) return { noun: 'a Proxy', advice: 'capture the object behind it' };
  const driverOnly = (value as any)[DRIVER_ONLY];
  if (typeof driverOnly === 'string')
    return { noun: driverOnly, advice: 'only the driver has it: collect or broadcast what the function needs of it' };
  if (types.isPromise(value)) return { noun: 'a Promise', advice: 'await it first, and capture what it gives' };
  if (types.isWeakMap(value) || types.isWeakSet(value))
    return { noun: withArticle(className(value)), advice: 'use a Map or a Set, or create it inside the function' };
  if (types.isGeneratorObject(value))
    return { noun: 'a running generator', advice: 'capture its values ([...it]) or the function that makes it' };
  if (/ Iterator$/.test((value as any)[Symbol.toStringTag]))
    return { noun: 'a running iterator', advice: 'capture its values ([...it]) or what it iterates over' };
  if (types.isArgumentsObject(value))
    return { noun: 'an arguments object', advice: 'use a rest parameter (...args) and capture that' };
  if (types.isExternal(value)) return { noun: 'a native pointer', advice: OPEN_INSIDE };
  if (types.isSharedArrayBuffer(value) || (ArrayBuffer.isView(value) && types.isSharedArrayBuffer(value.buffer)))
    return { noun: 'shared memory', advice: 'executors are other processes: capture a copy (slice())' };
  if (typeof value === 'function') return undefined;
  return refusedByClass(value);
}

/** By the classes an object is an instance of: those of Node and V8 that hold something outside JavaScript, and `#private` fields. */
function refusedByClass(value: object): Refusal | undefined {
  const chain: AnyFunction[] = [];
  for (let at = Object.getPrototypeOf(value); at !== null; at = Object.getPrototypeOf(at)) {
    const type = Object.getOwnPropertyDescriptor(at, 'constructor')?.value;
    if (typeof type === 'function' && type.prototype === at) chain.push(type);
  }
  for (const each of chain) {
    const builtin = isBuiltin(each);
    if (builtin && COPYABLE.has(each.name)) continue;
    const noun = withArticle(chain[0]!.name);
    if (builtin) {
      const stream = chain.some(({ name }) => name === 'Stream');
      return stream
        ? { noun: chain[0]!.name === 'Stream' ? noun : `${noun} (a stream)`, advice: OPEN_INSIDE }
        : { noun: `${noun}, which holds state outside JavaScript`, advice: OPEN_INSIDE };
    }
    if (hasPrivateFields(each))
      return {
        noun: `${noun} with #private fields, which nothing outside its class can copy`,
        advice: 'create it inside the function, or give it TypeScript `private` fields instead',
      };
  }
  return undefined;
}

const builtins = new WeakMap<AnyFunction, boolean>();

function isBuiltin(type: AnyFunction): boolean {
  let known = builtins.get(type);
  if (known === undefined) {
    known = globalPath(type) !== undefined || isNodes(type);
    builtins.set(type, known);
  }
  return known;
}

function isNodes(type: AnyFunction): boolean {
  const { location, bound } = inspect(type);
  return bound === undefined && (location === undefined || scriptUrl(location.scriptId).startsWith('node:'));
}

const privates = new WeakMap<AnyFunction, boolean>();

function hasPrivateFields(type: AnyFunction): boolean {
  let known = privates.get(type);
  if (known === undefined) {
    const text = Function.prototype.toString.call(type);
    const elements: any[] = /#/.test(text) ? (parseTolerantly(`(${text})`).body[0].expression.body.body ?? []) : [];
    known = elements.some((each) => each.key?.type === 'PrivateIdentifier' && !each.static);
    privates.set(type, known);
  }
  return known;
}

function withArticle(name: string): string {
  return `${/^[AEIO]/.test(name) ? 'an' : 'a'} ${name}`;
}

function className(value: object): string {
  return value.constructor?.name || 'object';
}
