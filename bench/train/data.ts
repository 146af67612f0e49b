import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { keyedRandom } from '../../src/rdd/random.js';

const ARCHIVE = fileURLToPath(new URL('../../../shared/data/fashion_mnist_idx.tar.xz', import.meta.url));

/** A pair of idx files. */
export interface Files {
  readonly images: string;
  readonly labels: string;
}

export interface Data {
  readonly title: string;
  readonly train: Files;
  readonly test: Files;
  /** Real images: what is reached on others says nothing. */
  readonly real: boolean;
}

/**
 * Fashion-MNIST as idx files: of the given directory, or of the archive beside the project; else images of the same shape that
 * are made here, from a seed.
 * @param home where to unpack or write
 * @throws Error when the given directory has no such files
 */
export function dataOf(given: string | undefined, home: string): Data {
  if (given) return found(resolve(given));
  if (!existsSync(ARCHIVE)) return synthetic(home);
  execFileSync('tar', ['xJf', ARCHIVE, '-C', home]);
  return found(join(home, 'fashion_mnist_idx'));
}

function found(directory: string): Data {
  const data = { title: 'Fashion-MNIST', real: true, ...filesIn(directory) };
  for (const file of [data.train, data.test].flatMap(({ images, labels }) => [images, labels]))
    if (!existsSync(file)) throw new Error(`--data: there is no ${file}`);
  return data;
}

function filesIn(directory: string) {
  const pair = (name: string): Files => ({
    images: join(directory, `${name}-images-idx3-ubyte`),
    labels: join(directory, `${name}-labels-idx1-ubyte`),
  });
  return { train: pair('train'), test: pair('t10k') };
}

/** Files of the first rows: what peers read is what they train on. */
export function firstRows(files: Files, rows: number, home: string): Files {
  const cut = (file: string, name: string): string => {
    const bytes = readFileSync(file);
    const shape = Array.from({ length: bytes[3]! }, (_, axis) => bytes.readUInt32BE(4 + 4 * axis));
    if (shape[0]! < rows) throw new Error(`${file} holds ${shape[0]} rows, ${rows} are needed`);
    if (shape[0] === rows) return file;
    const [header, row] = [4 + 4 * shape.length, shape.slice(1).reduce((a, b) => a * b, 1)];
    const path = join(home, `${rows}-${name}`);
    if (!existsSync(path)) {
      writeFileSync(
        path,
        Buffer.concat([idxHeader(rows, ...shape.slice(1)), bytes.subarray(header, header + rows * row)]),
      );
    }
    return path;
  };
  return { images: cut(files.images, 'images'), labels: cut(files.labels, 'labels') };
}

/** 28x28 bytes: one image a class of smooth noise, and on each row noise of its own. */
function synthetic(home: string): Data {
  const directory = join(home, 'synthetic');
  mkdirSync(directory);
  const files = filesIn(directory);
  const random = keyedRandom(1, 'bench-images');
  const classes = Array.from({ length: 10 }, () => Array.from({ length: 784 }, () => 200 * random.uniform() ** 3));
  for (const [{ images, labels }, rows] of [
    [files.train, 60_000],
    [files.test, 10_000],
  ] as const) {
    const pixels = new Uint8Array(rows * 784);
    const answers = Uint8Array.from({ length: rows }, (_, row) => row % 10);
    for (let row = 0; row < rows; row++)
      for (let at = 0; at < 784; at++)
        pixels[row * 784 + at] = 0.4 * classes[answers[row]!]![at]! + 150 * random.uniform();
    writeFileSync(images, Buffer.concat([idxHeader(rows, 28, 28), pixels]));
    writeFileSync(labels, Buffer.concat([idxHeader(rows), answers]));
  }
  return { title: 'synthetic images of 28x28', real: false, ...files };
}

function idxHeader(...shape: number[]): Buffer {
  const header = Buffer.from([0, 0, 8, shape.length, ...shape.flatMap(() => [0, 0, 0, 0])]);
  for (const [axis, size] of shape.entries()) header.writeUInt32BE(size, 4 + 4 * axis);
  return header;
}
