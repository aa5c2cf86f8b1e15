"""Image recognition from end to end: LeNet-5 learns handwritten digits, and what that costs.

command ── digits      5,000 of MNIST, as a package from the index ships them
  │
  ├─────── network     LeNet-5 in fastconv.nn, the recipe by which it is trained
  ├─────── training    epochs of it, loss and accuracy after each
  ├─────── comparing   the same steps by every backend, by loops, by PyTorch
  │          └─ tasks      in a process of each one's own: contestants
  │
  ├─────── results     as written to lenet.json
  └─────── page        the HTML page, and the section of the report
             └─ charts, pictures
"""
