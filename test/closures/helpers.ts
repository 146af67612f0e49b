/** The user's own module that the cases import: functions, classes and data of another file. */
export const FACTOR = 3;
export let level = 1;
export const table = new Map<string, number>([
  ['a', 1],
  ['b', 2],
]);

export function setLevel(value: number): void {
  level = value;
}

export function scale(x: number): number {
  return x * FACTOR;
}

export const shift = (x: number, by = 10): number => x + by;

export function usesLevel(x: number): number {
  return x + level;
}

export function even(n: number): boolean {
  return n === 0 || odd(n - 1);
}

export function odd(n: number): boolean {
  return n !== 0 && even(n - 1);
}

export default function twice(x: number): number {
  return scale(x) * 2;
}

export class Shape {
  static unit = 'm';

  constructor(
    readonly name: string,
    readonly width: number,
  ) {}

  get area(): number {
    return this.width * this.width;
  }

  describe(): string {
    return `${this.name}:${this.area}${Shape.unit}`;
  }
}

export class Cube extends Shape {
  override describe(): string {
    return `cube ${super.describe()} ${scale(this.width)}`;
  }
}

export class DataError extends Error {
  constructor(
    message: string,
    readonly row: number,
  ) {
    super(message);
    this.name = 'DataError';
  }
}

export const operations = {
  base: 5,
  add(x: number): number {
    return x + this.base;
  },
  twice,
  nested: { shift },
};
