// The icon of our places: an answer with a formula in it.

import { LabIcon } from '@jupyterlab/ui-components';

export const icon = new LabIcon({
  name: 'glm-jupyter:answer',
  svgstr: `<svg xmlns="http://www.w3.org/2000/svg" width="16" viewBox="0 0 24 24">
  <path class="jp-icon3" fill="#616161" fill-rule="evenodd" d="M4 3h16a2 2 0 0 1 2 2v11a2 2 0 0 1-2
    2h-7l-5 4v-4H4a2 2 0 0 1-2-2V5a2 2 0 0 1 2-2zm4 3v1.6l3.2 2.9L8 13.400V15h8v-2h-4.800l2.900
    -2.900L11.200 8H16V6H8z"/>
</svg>`
});
