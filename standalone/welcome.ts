import { isAbsolute, relative } from 'node:path';

/** A word as a POSIX shell reads it back unchanged. */
export function shellWord(text: string): string {
  return /^[A-Za-z0-9_./:@%+=,-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}

/** As short as it can be from `cwd`: relative when it lies inside. */
export function pathFrom(cwd: string, path: string): string {
  const short = relative(cwd, path);
  return short === '' || short.startsWith('..') || isAbsolute(short) ? path : short;
}

/**
 * One line for a shell: sends the photo, writes cutout.png. A proxy of the environment is passed by, since the address
 * is this machine; an error is shown instead of being written into the picture.
 */
export function curlLine(request: { url: string; key: string; photo: string; cwd: string }): string {
  const photo = pathFrom(request.cwd, request.photo);
  // curl itself reads ; and , in a form's value, and takes a quoted file name as it is.
  const file = /[",;\\\s]/.test(photo) ? `"${photo.replace(/["\\]/g, '\\$&')}"` : photo;
  return [
    `curl -fsS --noproxy '*'`,
    `-H ${shellWord(`Authorization: Bearer ${request.key}`)}`,
    `-F ${shellWord(`file=@${file}`)}`,
    `-o cutout.png ${shellWord(request.url)}`,
  ].join(' ');
}

export interface Welcome {
  address: string;
  seconds: number;
  key: { tenant: string; key: string } | undefined;
  /** Paths below the address. */
  services: string[];
  licences: string[];
  notices: string[];
  logs: string;
  curl: string | undefined;
}

export function welcomeText(welcome: Welcome): string {
  const { address, seconds, key, services, licences, notices, logs, curl } = welcome;
  const section = (title: string, lines: string[]): string[] =>
    lines.length === 0 ? [] : [title, ...lines.map((line) => `  ${line}`), ''];
  return [
    '',
    `Imageplane is ready after ${seconds.toFixed(1)} s.  Imageplane 已就绪。`,
    '',
    `Address 地址:      ${address}`,
    ...(key === undefined
      ? []
      : [
          `Demo key 演示密钥:  ${key.key}`,
          `                   of the tenant ${key.tenant}, for 30 days or until the next start, which makes another. 有效 30 天，每次启动都会换新。`,
        ]),
    '',
    ...(key === undefined
      ? []
      : section('For the commands of the README 供 README 中的命令使用:', [
          `export IMAGEPLANE_URL=${address} IMAGEPLANE_KEY=${key.key}`,
        ])),
    ...section(
      'Services 服务:',
      services.map((path) => `${address}${path}`),
    ),
    ...section('Licences of the models 模型许可:', licences),
    ...section('Not started 未启动:', notices),
    ...(curl === undefined
      ? []
      : ['Cut the subject out of a sample photo, into cutout.png. 抠出示例照片的主体:', '', curl, '']),
    `Logs 日志: ${logs}`,
    'Ctrl-C stops everything. 按 Ctrl-C 停止全部进程。',
    '',
  ].join('\n');
}
