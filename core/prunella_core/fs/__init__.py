"""Files, sizes and disks, whatever is stored in them."""
