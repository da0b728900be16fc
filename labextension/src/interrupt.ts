// Interrupts a kernel, also JupyterLite's, which hears no interrupt before its cell has ended.

import type { Kernel } from '@jupyterlab/services';

/** Where a kernel that runs in the page listens for itself; magics/page.py has the same name. */
const HEARD_IN_PAGE = 'glm-jupyter.interrupt';

/** Interrupt what runs in `kernel`, and take back what waits behind it. */
export function interrupt(kernel: Kernel.IKernelConnection): void {
  tellInPage(kernel);
  void kernel.interrupt();
}

/** Tell a kernel that runs in the page that it was interrupted; any other does not hear it. */
export function tellInPage(kernel: Kernel.IKernelConnection): void {
  const channel = new BroadcastChannel(HEARD_IN_PAGE);
  channel.postMessage(kernel.clientId);
  channel.close();
}
