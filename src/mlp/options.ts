import { inspect } from 'node:util';

/** What an option must be: a test, and its words. */
export type Form = readonly [fits: (value: any) => boolean, what: string];

/** A form for every option; the compiler asks for all of them. */
export type Forms<T> = { readonly [K in keyof Required<T>]: Form };

/**
 * Before any data is read: a long job must not fail late for a typing error. Options that are undefined are not given.
 * @param owner for messages: `MLPClassifier`
 * @throws TypeError naming the option, what it must be and what it is
 * @example checkOptions('MinMaxScaler', options, { min: NUMBER, max: NUMBER })
 */
export function checkForms<T extends object>(owner: string, options: T, forms: Forms<T>): T {
  if (typeof options !== 'object' || options === null)
    throw new TypeError(`${owner} takes an object of options, not ${inspect(options)}`);
  const known = forms as Readonly<Record<string, Form>>;
  for (const [name, value] of Object.entries(options)) {
    if (!Object.hasOwn(known, name))
      throw new TypeError(`${owner} has no option "${name}"; the options are ${Object.keys(known).join(', ')}`);
    const [fits, what] = known[name]!;
    if (value !== undefined && !fits(value))
      throw new TypeError(`${owner}: ${name} must be ${what}, not ${inspect(value, { breakLength: 200, depth: 1 })}`);
  }
  return options;
}

const isNumber = (value: unknown) => Number.isFinite(value);

export const COUNT: Form = [(value) => Number.isSafeInteger(value) && value >= 1, 'a whole number of at least 1'];
export const WHOLE: Form = [(value) => Number.isSafeInteger(value), 'a whole number'];
export const NUMBER: Form = [isNumber, 'a number'];
export const AMOUNT: Form = [(value) => isNumber(value) && value >= 0, 'a number of at least 0'];
export const POSITIVE: Form = [(value) => isNumber(value) && value > 0, 'a number above 0'];
export const FLAG: Form = [(value) => typeof value === 'boolean', 'true or false'];
export const FUNCTION: Form = [(value) => typeof value === 'function', 'a function'];
export const COLUMN: Form = [(value) => typeof value === 'string' && value !== '', "a column's name"];
export const COLUMNS: Form = [
  (value) => Array.isArray(value) && value.length > 0 && value.every((each) => typeof each === 'string'),
  "an array of columns' names, at least one",
];

export function oneOf(...values: readonly string[]): Form {
  return [(value) => values.includes(value), values.map((value) => `'${value}'`).join(' or ')];
}

/** Whole groups have the classes that they have. @throws TypeError for rows that are asked to be held out by both */
export function checkStratify(owner: string, options: { readonly group?: string; readonly stratify?: boolean }): void {
  if (options.stratify && options.group !== undefined)
    throw new TypeError(
      `${owner}: stratify: true does not go with group, whose rows stay together whatever their classes; leave one of them out`,
    );
}

/** An option that has to be given. @throws TypeError */
export function requireOption<T extends object>(owner: string, options: T, name: keyof T & string): void {
  if (options?.[name] === undefined) throw new TypeError(`${owner} needs the option "${name}"`);
}
