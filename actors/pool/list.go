package pool

// List is a doubly linked list through links that its members carry, so that a
// member can be added and taken out anywhere in constant time and without
// allocating. The zero value is empty.
type List[T any] struct {
	Front, back *Link[T]
	n           int
}

// Link is a member's place in one list.
type Link[T any] struct {
	prev, Next *Link[T]
	in         *List[T] // nil while in none
	Of         T        // the member itself; set by the list
}

func (l *List[T]) Len() int { return l.n }

func (l *List[T]) pushBack(k *Link[T], of T) { l.insertAfter(l.back, k, of) }

// insertAfter puts k behind at; at nil means first.
func (l *List[T]) insertAfter(at, k *Link[T], of T) {
	k.in, k.Of, k.prev = l, of, at
	if at == nil {
		k.Next, l.Front = l.Front, k
	} else {
		k.Next, at.Next = at.Next, k
	}
	if k.Next == nil {
		l.back = k
	} else {
		k.Next.prev = k
	}
	l.n++
}

// remove takes k out of the list it is in, if any.
func (k *Link[T]) remove() {
	l := k.in
	if l == nil {
		return
	}
	if k.prev == nil {
		l.Front = k.Next
	} else {
		k.prev.Next = k.Next
	}
	if k.Next == nil {
		l.back = k.prev
	} else {
		k.Next.prev = k.prev
	}
	l.n--
	var none T
	k.prev, k.Next, k.in, k.Of = nil, nil, nil, none
}
