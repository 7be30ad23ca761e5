/** What a file says of itself before anything of it is decoded. */
export interface Header {
  /** As stored, before the orientation is applied. */
  width: number;
  height: number;
  animated: boolean;
}
