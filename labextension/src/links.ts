// Which addresses a page may be sent to by what a model, or a search, has written.

/** Whether `address` leads to a host on the web, or to a mailbox, and never to this page's own. */
export function isLink(address: string): boolean {
  if (/^mailto:[^\s/]/i.test(address)) {
    return true;
  }
  return isWeb(address);
}

/** Whether `address` has a scheme of the web, two slashes and a host. */
export function isWeb(address: string): boolean {
  return /^https?:\/\/[^\s/?#\\]/i.test(address) && URL.canParse(address);
}
