/** What the document says in English beside a field or an answer, in Chinese. A test keeps it complete. */
const DESCRIPTIONS: Readonly<Record<string, string>> = {
  'Name of the model; the first of the service by default.': '模型名称；默认为服务的第一个模型。',
  'straight keeps the colours of the picture; premultiplied is what rembg gives.':
    'straight 保留图片原有颜色；premultiplied 与 rembg 的输出相同。',
  'Of jpeg and webp (90 by default) and avif (60); png loses nothing and has none.':
    '用于 jpeg 和 webp（默认 90）以及 avif（默认 60）；png 无损，没有此参数。',
  'Colour behind the cut-out, #RRGGBB or #RRGGBBAA with # sent as %23.':
    '主体后面的背景色，#RRGGBB 或 #RRGGBBAA，其中 # 写作 %23。',
  'Of a model with classes: which mask. Absent, all that the model gives, from top to bottom.':
    '对于有类别的模型：取哪个蒙版。省略时从上到下给出全部。',
  'Whose turn comes first among your own requests.': '您自己的请求之间的先后次序。',
  'After which the answer is of no use to you.': '超过该秒数后，您不再需要结果。',
  'Empty, or a wish to remove the background: no model here follows other instructions.':
    '为空，或要求去除背景：此处没有可执行其他指令的模型。',
  'Both give a transparent background.': '两者都得到透明背景。',
  'Alpha matting.': 'Alpha matting（精细抠图）。',
  'Above it the mask is certain foreground.': '蒙版高于此值的部分确定为前景。',
  'Below it the mask is certain background.': '蒙版低于此值的部分确定为背景。',
  'By how many pixels both are eroded.': '两者各向内收缩的像素数。',
  'Only the mask.': '只输出蒙版。',
  'Smooth the mask, with a hard edge.': '平滑蒙版，边缘为硬边。',
  'Decontaminate the colours of soft edges.': '去除柔和边缘中混入的背景色。',
  'ViTMatte. Not supported: only false is taken.': 'ViTMatte：不支持，只接受 false。',
  'Background colour: r,g,b or r,g,b,a.': '背景色：r,g,b 或 r,g,b,a。',
  'JSON object. Of rembg’s extras: putalpha (boolean), cc or cloth_category (string).':
    'JSON 对象。支持 rembg 的 putalpha（布尔值）、cc 或 cloth_category（字符串）。',
  'Where the picture is.': '图片的网址。',
  '1 for the next.': '1 表示下一个。',
  'The cut-out.': '抠图结果。',
  'The cut-out or the mask.': '抠图结果或蒙版。',
  'Taken as a job, whose address is in Location.': '已作为任务接受，其地址在 Location 响应头中。',
  'The job.': '任务。',
  'The jobs.': '任务列表。',
  'Server-sent events named state, whose data is the job.': '名为 state 的服务器推送事件，其数据为任务。',
  'The models.': '模型列表。',
  'The model.': '模型。',
  'It is.': '是。',
  'It does.': '是。',
  'Done.': '已完成。',
  'Name, version and extensions.': '名称、版本和扩展。',
  'Inputs and outputs; -1 is a size that may vary.': '输入与输出；-1 表示可变的大小。',
  'The outputs, in JSON or, where asked for, as binary data behind it.':
    '输出：采用 JSON，或按要求以二进制数据附在其后。',
  'Refused or failed. The codes are listed in x-error-codes.': '被拒绝或失败。错误码见 x-error-codes。',
  'The code of the error.': '错误码。',
};

/** The same JSON with its descriptions in Chinese. */
export function inChinese(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(inChinese);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, each]) => [
      name,
      name === 'description' && typeof each === 'string' ? (DESCRIPTIONS[each] ?? each) : inChinese(each),
    ]),
  );
}
