/** What names mean, the same in every kind of storage. */

export const byCodeUnit = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);

/** Whether a file or folder of this name is no data (`_SUCCESS`, `_temporary`, `.crc`). */
export const isHidden = (name: string) => /^[._]/.test(name);

/** Whether a pattern must not match a path: a part of it is hidden, and not of a name that the pattern says. */
export function isHiddenFrom(pattern: string, path: string): boolean {
  const named = new Set(pattern.split('/'));
  const parts = path.split('/').slice(literalFolder(pattern).split('/').length - 1);
  return parts.some((part) => isHidden(part) && !named.has(part));
}

/** What stands before a pattern's first special character, up to a `/`. */
export function literalFolder(pattern: string): string {
  const literal = /^[^*?[\]{}!()+@\\]*/.exec(pattern)![0];
  return literal.slice(0, literal.lastIndexOf('/') + 1);
}

/** Whether a path is a glob pattern, unless there is a file of that very name. */
export const isPattern = (path: string) => /[*?[\]{}!()]/.test(path);

/** Whether a file is packed, by its name. */
export const isGzip = (path: string) => /\.gz([?#].*)?$/is.test(path);

/** A text as messages show it: web addresses in it without password and query, which may hold a signature; S3's without keys. */
export function withoutSecrets(text: string): string {
  return text
    .replace(/((?:https?|s3[an]?):\/\/)[^\s/?#]*@/gi, '$1')
    .replace(/(https?:\/\/[^\s?#]*)\?\S*?(?=[:,;.)]*(\s|$))/gi, '$1?…');
}
