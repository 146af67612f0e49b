/** A piece of a picture: SVG elements within width x height, in pixels. */
export interface Drawing {
  readonly width: number;
  readonly height: number;
  /** What it shows, for those who cannot see it. */
  readonly label: string;
  readonly body: string;
}

export const COLORS = { ink: '#1f2328', text: '#57606a', grid: '#d8dee4', paper: '#ffffff' };

/** Of the series of a chart, in their order; told apart with every kind of colour vision. */
export const SERIES = ['#0969da', '#d1641b', '#1a7f64', '#8250df', '#a3357a', '#6e7781'];

/** The family comes with the project, for PNGs; browsers without it take theirs. */
export const FONT = 'DejaVu Sans, Verdana, sans-serif';

/** As a file of its own, or within HTML. */
export function svgOf({ width, height, label, body }: Drawing): string {
  return (
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" ` +
    `role="img" aria-label="${escaped(label)}" font-family="${FONT}" font-size="12">\n${body}\n</svg>`
  );
}

export interface TextStyle {
  readonly anchor?: 'start' | 'middle' | 'end';
  readonly size?: number;
  readonly weight?: number;
  readonly color?: string;
  /** Degrees, about its beginning. */
  readonly turn?: number;
}

export function text(
  x: number,
  y: number,
  content: string,
  { anchor = 'start', size = 12, weight, color = COLORS.text, turn }: TextStyle = {},
): string {
  const at = `x="${x.toFixed(1)}" y="${y.toFixed(1)}"`;
  const bold = weight === undefined ? '' : ` font-weight="${weight}"`;
  const turned = turn === undefined ? '' : ` transform="rotate(${turn} ${x.toFixed(1)} ${y.toFixed(1)})"`;
  return `<text ${at} text-anchor="${anchor}" font-size="${size}" fill="${color}"${bold}${turned}>${escaped(content)}</text>`;
}

/** Text for XML and HTML, in content and in attributes; control characters, which XML does not know, become a sign. */
export function escaped(content: string): string {
  return content
    .replace(/[^\P{Cc}\t\n\r]|\p{Cs}|[\ufffe\uffff]/gu, '\ufffd')
    .replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
}

/** @example shortened('sitting on a chair', 10) // 'sitting o…' */
export function shortened(content: string, length: number): string {
  const signs = [...content];
  return signs.length > length ? `${signs.slice(0, length - 1).join('')}…` : content;
}
